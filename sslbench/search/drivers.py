"""Which driver runs a sweep: it holds a lock in the ledger folder, which the kernel gives back however it ends."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

LOCK = "driver.lock"
TRIES, SECONDS_BETWEEN = 10, 0.05


def lock_alone(lock: IO[str]) -> None:
    """Take the driver's lock; raise BlockingIOError if another holds it for half a second, as whoever looks does not."""
    for _ in range(TRIES):
        with suppress(BlockingIOError):
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(SECONDS_BETWEEN)
    return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def driver_kept_out(folder: Path) -> Iterator[str]:
    """Let no driver start on a ledger folder during the block; yield "", or who runs there, and then hold nothing."""
    file = folder / LOCK
    if not file.exists():  # of before locks, or set up by hand: nobody runs it
        yield ""
        return
    with file.open(encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            yield lock.read().strip() or "a driver that is just starting"
            return
        yield ""


def driver_of(folder: Path) -> str:
    """Return host, process and start of the driver of a ledger folder; "" if none is running."""
    with driver_kept_out(folder) as driver:
        return driver
