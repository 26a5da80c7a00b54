"""What can happen to a running sweep, and how it is made to happen."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from tests.chaos.harness import LONGEST_RUN, Driver, Ended, Place, ended
from tests.chaos.processes import family, of_driver, send, wait_until

Moment = Callable[[Place, Driver, Random], list[int]]  # waits, then names the victims
RESTART_SECONDS = 5.0


class Fault(NamedTuple):
    """Who is hit when, with what, and what somebody does about it then."""

    moment: Moment
    number: signal.Signals = signal.SIGKILL
    remedy: Callable[[Place], None] | None = None

    @property
    def name(self) -> str:
        after = f", {self.remedy.__name__}" if self.remedy is not None else ""
        return f"{self.number.name} {self.moment.__name__}{after}".replace("_", " ")


class Blow(NamedTuple):
    """A fault that was dealt: whether it met a running sweep, what became of the driver and how fast, and the ledger."""

    fault: Fault
    hit: bool
    exit_code: int | None  # None: the driver went on
    seconds: float
    output: str
    ended: dict[str, Ended]  # once it was dealt


def strike(here: Place, driver: Driver, fault: Fault, random: Random) -> Blow:
    """Deal a fault to a running sweep, and wait for the driver if it is a victim.

    What other processes of the sweep do then is not waited for: who types the command again does not wait either.
    """
    victims = fault.moment(here, driver, random)
    here.note_sockets(driver)
    met = not driver.is_over()
    hit = [send(victim, fault.number) for victim in victims] if met else []
    struck = time.monotonic()
    code = driver.wait() if driver.pid in victims else None
    seconds = time.monotonic() - struck
    if fault.remedy is not None and any(hit):
        fault.remedy(here)
    return Blow(fault, any(hit), code, seconds, driver.output(), ended(here.home))


def early(here: Place, driver: Driver, random: Random) -> list[int]:
    """Wait a random time in the first five seconds; the driver is the victim."""
    time.sleep(random.uniform(0.0, 5.0))
    return [driver.pid]


def late(here: Place, driver: Driver, random: Random) -> list[int]:
    """Wait for some of the trials that are left; the driver is the victim."""
    _await_progress(here, driver, random)
    return [driver.pid]


def worker(here: Place, driver: Driver, random: Random) -> list[int]:
    """Wait for some progress and a process that runs a trial, which is the victim."""
    _await_progress(here, driver, random)
    time.sleep(random.uniform(0.0, 0.5))
    _await(driver, lambda: bool(here.workers(driver)))
    return here.workers(driver)[:1]


def everything(here: Place, driver: Driver, random: Random) -> list[int]:
    """Wait for some progress; every process is a victim, as when the machine loses power."""
    _await_progress(here, driver, random)
    return [driver.pid, *of_driver(driver.pid)]


def server(here: Place, driver: Driver, random: Random) -> list[int]:
    """Wait for some progress; the tracking server is the victim."""
    assert here.server is not None
    _await_progress(here, driver, random)
    return sorted(family(here.server.pid))


def node(here: Place, driver: Driver, random: Random) -> list[int]:
    """Wait until the second node of the cluster runs a trial; all its processes are victims."""
    assert here.nodes is not None
    nodes = here.nodes
    _await_progress(here, driver, random)
    _await(driver, lambda: any(pid in nodes.second() for pid in here.workers(driver)))
    return sorted(nodes.second())


def back_after_5_s(here: Place) -> None:
    """Start the tracking server again, after a while."""
    assert here.server is not None
    time.sleep(RESTART_SECONDS)
    here.server.launch()


def another_joins(here: Place) -> None:
    """Add a node in place of the one that died."""
    assert here.nodes is not None
    here.nodes.add()


def _await_progress(here: Place, driver: Driver, random: Random) -> None:
    _await(driver, lambda: bool(here.workers(driver)))  # those of the last driver may end some too
    before = here.n_ended()
    # 0 of the last two: they may end together, and with them the sweep
    most = (here.n_trials - before) // 3
    wanted = before + random.randint(min(1, most), most)
    _await(driver, lambda: here.n_ended() >= wanted)
    time.sleep(random.uniform(0.0, 0.3))


def _await(driver: Driver, condition: Callable[[], bool]) -> None:
    wait_until(
        lambda: condition() or driver.is_over(), seconds=LONGEST_RUN, what="the sweep gets on"
    )
