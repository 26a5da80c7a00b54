"""Files that survive a crash: replaced in one step, on the disk before anyone is told, and able to say that they are whole."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_SEAL = ',\n "sha256": "'


def write_atomically(file: Path, text: str) -> None:
    """Replace a file in one step that survives a crash: it holds the old text or the whole new one."""
    temporary = beside(file)
    try:
        with temporary.open("w", encoding="utf-8") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, file)
    except OSError as error:
        error.filename = str(file)  # a write to an open file names none
        temporary.unlink(missing_ok=True)
        raise
    settle(file.parent)


@contextmanager
def replaced(to: Path) -> Iterator[Path]:
    """Give a place for a folder that then becomes `to`, on the disk; what is there until then stays unless that succeeds.

    Only a kill between two renames leaves nothing at `to`. What a kill leaves beside it goes with the next writer.
    """
    to.parent.mkdir(parents=True, exist_ok=True)
    folder = beside(to)
    new, old = folder / "new", folder / "old"
    folder.mkdir()
    try:
        yield new
        for path in (*new.rglob("*"), new):
            settle(path)
        if to.exists():
            to.rename(old)
        try:
            new.rename(to)
        except OSError:
            if old.exists():
                old.rename(to)
            raise
        settle(to.parent)
    finally:
        remove([folder])


def beside(file: Path) -> Path:
    """Return the hidden name under which this process makes what then becomes `file`, a file or a folder.

    What writers of `file` on this machine that are no more have left under such names is removed.
    """
    ours = f".{file.name}@{socket.gethostname()}@"
    left = [f for f in file.parent.glob(".*@*.tmp") if f.name.startswith(ours)]
    writers = {f: int(f.name.split("@")[-1].removesuffix(".tmp")) for f in left}
    # in a container a command may have the number of the one that was killed before it
    remove(f for f, pid in writers.items() if pid == os.getpid() or not is_running(pid))
    return file.with_name(f"{ours}{os.getpid()}.tmp")


def half_written(folder: Path) -> list[Path]:
    """Return what writers have left half written in a folder, or write at this moment."""
    return sorted(folder.glob(".*.tmp"))


def remove(paths: Iterable[Path]) -> None:
    """Remove files and folders, whatever is in them."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def is_running(process: int) -> bool:
    """Say whether a process of this machine is alive."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def settle(path: Path) -> None:
    """Make a file, or the names in a folder, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def is_intact(file: Path, digest: str | None) -> bool:
    """Say whether the file is there and its bytes have this SHA-256."""
    return file.is_file() and sha256(file) == digest


def sealed(text: str) -> str:
    """Return a JSON object with the SHA-256 of its own text as its last member."""
    body = text.removesuffix("\n}")
    return f'{body}{_SEAL}{_digest(body)}"\n}}'


def unsealed(text: str) -> str | None:
    """Return a JSON object without its seal, None if it is not what was sealed; one without a seal as it is."""
    body, seal, rest = text.rpartition(_SEAL)
    if not seal:
        return text
    return f"{body}\n}}" if rest == f'{_digest(body)}"\n}}' else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
