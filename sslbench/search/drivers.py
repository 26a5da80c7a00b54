"""Which driver runs a sweep: it holds a lock in the ledger folder, which the kernel gives back however it ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "driver.lock"


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
