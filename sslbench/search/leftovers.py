"""What a driver needs on its machine while it runs, and how the next one clears up after a driver that was killed.

Ray's workers outlive their driver by some seconds and its agents by a minute. A worker that goes on writing
while the same sweep is resumed would do a trial twice, so the resumed driver ends it first.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sslbench.search.drivers import LOCK

TOKEN, TOKEN_VARIABLE = "token", "RAY_AUTH_TOKEN_PATH"
_LONGEST_FOLDER = 24  # Ray and we add up to 83 characters, and the path of a socket has at most 107


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Have a temporary folder that says by a lock that its driver lives; it goes with the block."""
    hidden = Path(tempfile.mkdtemp(prefix=f".sslb-{os.getpid()}-", dir=_short_folder()))
    with (hidden / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = hidden.rename(hidden.with_name(hidden.name[1:]))  # never seen without its lock
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def clear_up() -> None:
    """End the processes and remove the folders of our drivers that were killed and could not do it themselves."""
    for folder in abandoned():
        _end_processes(folder)
        shutil.rmtree(folder, ignore_errors=True)


def abandoned() -> list[Path]:
    """Return the scratch folders of our drivers that were killed."""
    folders = _short_folder().glob("sslb-*-*")
    return [folder for folder in folders if _is_mine(folder) and _is_abandoned(folder)]


def end_now() -> None:
    """End what this driver has started, however busy it is, and remove its folder."""
    for folder in _short_folder().glob(f"sslb-{os.getpid()}-*"):
        _end_processes(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _short_folder() -> Path:
    usual = Path(tempfile.gettempdir())
    return usual if len(str(usual)) <= _LONGEST_FOLDER else Path("/tmp")


def _is_mine(folder: Path) -> bool:
    try:
        return folder.stat().st_uid == os.getuid()
    except FileNotFoundError:  # another driver of ours has just removed it
        return False


def _is_abandoned(folder: Path) -> bool:
    """Say whether the folder's driver has ended: the kernel gives its lock back, however it ended."""
    try:
        with (folder / LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except FileNotFoundError:  # removed by half
        return True
    return True


def _end_processes(folder: Path) -> None:
    """Kill what was started with the token of this folder; where there is no /proc, nothing can be told."""
    mark = f"{TOKEN_VARIABLE}={folder / TOKEN}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        # it may have ended meanwhile, or belong to somebody else
        with suppress(FileNotFoundError, PermissionError, ProcessLookupError):
            if mark in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)
