"""Interrupt a piece of work at each of its calls to the file system in turn: by death, by an error, by loss of power."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

Work = Callable[[], object]
How = Callable[[Work, int], bool]  # interrupts the work at its n-th call; False if it makes fewer


class Crash(BaseException):
    """What nobody may catch."""


class Calls:
    """Counts the calls to the file system that change something, and makes one of them the last."""

    def __init__(self, at: int, end: Callable[[], object]) -> None:
        self.at, self.end, self.n = at, end, 0
        self.on_disk: dict[int, int] = {}  # inode → bytes that a power cut leaves
        self.written: dict[int, Path] = {}

    def __call__(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function as one of the calls that are counted."""

        def call(*arguments: Any, **named: Any) -> Any:
            self.n += 1
            if self.n == self.at:
                self.end()
            return real(*arguments, **named)

        return call

    def arm(self, patch: pytest.MonkeyPatch) -> None:
        """Let every open for writing, write, fsync, rename and mkdir pass through here."""
        opened, synced = Path.open, os.fsync

        def open_(path: Path, mode: str = "r", *arguments: Any, **named: Any) -> Any:
            if not set(mode) & set("wax+"):
                return opened(path, mode, *arguments, **named)
            handle = self(opened)(path, mode, *arguments, **named)
            return TornFile(handle, self)

        def fsync(descriptor: int) -> None:
            self(synced)(descriptor)
            found = os.fstat(descriptor)
            self.on_disk[found.st_ino] = found.st_size

        patch.setattr(Path, "open", open_)
        patch.setattr(os, "fsync", fsync)
        for name in ("replace", "rename", "mkdir"):
            patch.setattr(os, name, self(getattr(os, name)))

    def lose_power(self, folder: Path) -> None:
        """Cut what was written here and not synced since."""
        for file in filter(Path.is_file, folder.rglob("*")):
            inode = file.stat().st_ino
            if inode in self.written:
                os.truncate(file, self.on_disk.get(inode, 0))


class TornFile:
    """A file whose writes reach the disk one half at a time, so that a crash tears them."""

    def __init__(self, handle: Any, calls: Calls) -> None:
        self._handle, self._calls = handle, calls
        calls.written[os.fstat(handle.fileno()).st_ino] = Path(handle.name)

    def write(self, text: Any) -> int:
        half = len(text) // 2
        for part in (text[:half], text[half:]):
            self._calls(self._handle.write)(part)
            self._handle.flush()
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handle, name)

    def __enter__(self) -> TornFile:
        return self

    def __exit__(self, *error: object) -> None:
        self._handle.close()


def dead(work: Work, at: int) -> bool:
    """Kill the process, a child of this one: nothing is cleaned up."""
    child = os.fork()
    if child == 0:
        Calls(at, lambda: os._exit(137)).arm(pytest.MonkeyPatch())
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 137


def crashed(work: Work, at: int) -> bool:
    """Raise what only `finally` sees."""
    return _raised(work, at, Crash())


def full(work: Work, at: int) -> bool:
    """Refuse the call for want of space."""
    return _raised(work, at, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


def broken(work: Work, at: int) -> bool:
    """Refuse the call as a dying disk does."""
    return _raised(work, at, OSError(errno.EIO, os.strerror(errno.EIO)))


def _raised(work: Work, at: int, error: BaseException) -> bool:
    """Raise `error` at a call; say whether there was one, which may do without (a folder that is there already)."""

    def end() -> None:
        raise error

    calls = Calls(at, end)
    with pytest.MonkeyPatch.context() as patch:
        calls.arm(patch)
        try:
            work()
        except BaseException as raised:
            if raised is not error:
                raise
    return calls.n >= at


def powerless(folder: Path) -> How:
    """Let the machine lose power: what lies in `folder` and was not synced is gone."""

    def how(work: Work, at: int) -> bool:
        def end() -> None:
            raise Crash

        calls = Calls(at, end)
        with pytest.MonkeyPatch.context() as patch:
            calls.arm(patch)
            try:
                work()
            except Crash:
                return True
            finally:
                calls.lose_power(folder)
        return False

    return how


def each_call(interrupt: Callable[[int], bool]) -> list[int]:
    """Interrupt at the first call, the second, and so on until the work makes no more; return them."""
    calls = []
    for at in count(1):
        if not interrupt(at):
            return calls
        calls.append(at)
    raise AssertionError
