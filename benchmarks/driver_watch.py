"""What a process holds while it works, read from /proc every few seconds beside how far its sweep is."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

EVERY_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a process holds at one moment."""

    n_trials: int  # that the sweep has begun
    resident_mb: float
    private_mb: float  # of it no page of a file: what a leak adds to
    n_files: int  # open descriptors
    cpu_seconds: float  # that it has used so far


class DriverWatch:
    """A thread that looks at a process until the `with` block ends, or the process does."""

    def __init__(self, pid: int, *, n_trials: Callable[[], int]) -> None:
        self.seen: list[Held] = []
        self._process, self._n_trials = Path(f"/proc/{pid}"), n_trials
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> DriverWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def after(self, n_trials: int) -> list[Held]:
        """Return what was seen once so many trials had begun."""
        return [held for held in self.seen if held.n_trials >= n_trials]

    def _watch(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            try:
                held = held_by(self._process, n_trials=self._n_trials())
            except (FileNotFoundError, ProcessLookupError):
                return
            if held is None:
                return
            self.seen.append(held)


def held_by(process: Path, *, n_trials: int) -> Held | None:
    """Return what a process, a folder of /proc, holds now; None if it has ended and waits to be waited for."""
    status = (process / "status").read_text(encoding="utf-8")
    resident, private = _mb(status, "VmRSS"), _mb(status, "RssAnon")
    if resident is None or private is None:
        return None
    times = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return Held(
        n_trials=n_trials,
        resident_mb=resident,
        private_mb=private,
        n_files=len(os.listdir(process / "fd")),
        cpu_seconds=(int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK"),
    )


def _mb(status: str, name: str) -> float | None:
    found = re.search(rf"^{name}:\s*(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else None
