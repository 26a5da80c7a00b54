"""How long a driver did nothing, as its ledger and its heartbeat show."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HEARTBEAT = Path(__file__).with_name("heartbeat")


class Stall(NamedTuple):
    """A while in which nothing happened, and when it was over."""

    until: float  # unix time
    seconds: float


def heartbeat_variables(file: Path) -> dict[str, str]:
    """Return the environment in which a driver writes its stalls to `file`."""
    path = os.pathsep.join([str(HEARTBEAT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {"HEARTBEAT_FILE": str(file), "PYTHONPATH": path}


def of_interpreter(file: Path) -> Iterator[Stall]:
    """Yield when no thread of the driver ran: something held the interpreter, or the machine was busy with others.

    Raises
    ------
    FileNotFoundError
        If no heartbeat ran in the driver.
    """
    for line in file.read_text(encoding="utf-8").splitlines():
        until, seconds = line.split()
        yield Stall(float(until), float(seconds))


def of_scheduling(home: Path) -> Iterator[Stall]:
    """Yield what lay between the end of each trial and the next one that the driver planned, which a slot was free for."""
    planned = sorted(f.stat().st_mtime for f in home.glob("ledger/*/trials/*/job.json"))
    for record in home.glob("ledger/*/trials/*/attempt-*/result.json"):
        ended = record.stat().st_mtime
        following = next((at for at in planned if at > ended), None)
        if following is not None:
            yield Stall(following, following - ended)


def longest(stalls: Iterator[Stall], *, since: float, until: float = float("inf")) -> float:
    """Return the seconds of the longest stall that ended in a span of time, 0 if there was none."""
    return max((s.seconds for s in stalls if since <= s.until <= until), default=0.0)
