"""A real sweep command that is hit on purpose, again and again, until it has come to its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

from sslbench.ledger import Ledger, sha256
from sslbench.search.controls import with_controls
from sslbench.search.spec import load_sweep
from tests.chaos.processes import of_driver, send, wait_until, workers

COMMAND = str(Path(sys.executable).with_name("sslbench"))
REPOSITORY = Path(__file__).parents[2]
Moment = Callable[["Place", "Driver", Random], list[int]]  # waits, then names the victims
LONGEST_RUN = 240.0
SWEEP = str(Path(__file__).with_name("steady.yaml"))
_SPEC = with_controls(load_sweep(Path(SWEEP)))
N_TRIALS = _SPEC.n_search_trials() + len(_SPEC.arms) * _SPEC.budget.confirm_seeds  # of this sweep


class Ended(NamedTuple):
    """A trial that has ended: the bytes of its record, and how often it was tried."""

    sha256: str
    n_attempts: int


def ended(home: Path) -> dict[str, Ended]:
    """Return every trial with a whole record, by uid."""
    found: dict[str, Ended] = {}
    for folder in home.glob("ledger/*/trials"):
        ledger = Ledger(folder.parent)
        for uid in ledger.records():
            attempt = ledger.attempt(uid)
            assert attempt is not None
            digest = sha256(attempt.folder / "result.json")
            found[uid] = Ended(digest, len(ledger.attempts(uid)))
    return found


@dataclass
class Driver:
    """One running `sslbench sweep`."""

    process: subprocess.Popen[str]
    log: Path
    started: float

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait(self, seconds: float = LONGEST_RUN) -> int:
        return self.process.wait(timeout=seconds)

    def is_over(self) -> bool:
        return self.process.poll() is not None

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8")


@dataclass
class Place:
    """A tracking folder, a temporary folder of its own (its path must be short: sockets lie in it) and its runs."""

    home: Path
    scratch: Path
    environment: dict[str, str] = field(default_factory=dict)
    drivers: list[Driver] = field(default_factory=list)

    def start(self, *arguments: str, sweep: str = SWEEP) -> Driver:
        """Start the sweep as a process group of its own, as a terminal does."""
        log = self.home.parent / f"run-{len(self.drivers) + 1}.log"
        with log.open("w", encoding="utf-8") as handle:
            process = subprocess.Popen(
                [COMMAND, "sweep", sweep, "--home", str(self.home), *arguments],
                cwd=REPOSITORY,
                env=self._environment(),
                stdout=handle,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                text=True,
            )
        self.drivers.append(Driver(process, log, time.monotonic()))
        return self.drivers[-1]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another verb on the same tracking folder to its end."""
        return subprocess.run(
            [COMMAND, *arguments, "--home", str(self.home)],
            cwd=REPOSITORY,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=LONGEST_RUN,
            check=False,
        )

    def n_ended(self) -> int:
        """Return how many attempts have a record; earlier executions set aside do not count."""
        return len(list(self.home.glob("ledger/*/trials/*/attempt-*/result.json")))

    def _environment(self) -> dict[str, str]:
        own = {"TMPDIR": str(self.scratch), "COLUMNS": "200"}
        inherited = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
        return inherited | own | self.environment


@contextmanager
def place(folder: Path, **environment: str) -> Iterator[Place]:
    """Make a place for sweeps; whatever still runs at the end is killed, process by process."""
    with tempfile.TemporaryDirectory(
        prefix="sc-", dir="/tmp", ignore_cleanup_errors=True
    ) as scratch:
        here = Place(folder / "home", Path(scratch), environment)
        try:
            yield here
        finally:
            for driver in here.drivers:
                left = [driver.pid] if not driver.is_over() else []
                for process in [*left, *of_driver(driver.pid)]:
                    send(process, signal.SIGKILL)
                driver.wait()


class Fault(NamedTuple):
    """Who is hit when, and with what."""

    moment: Moment
    number: signal.Signals = signal.SIGKILL

    @property
    def name(self) -> str:
        return f"{self.number.name} {self.moment.__name__}"


class Blow(NamedTuple):
    """A fault that was dealt: whether it met a running sweep, what became of the driver and how fast, and the ledger then."""

    fault: Fault
    hit: bool
    exit_code: int | None  # None: the driver went on
    seconds: float
    output: str
    ended: dict[str, Ended]


def strike(here: Place, driver: Driver, fault: Fault, random: Random) -> Blow:
    """Deal a fault to a running sweep; unless its victim was a worker, the driver ends.

    What other processes of the sweep do then is not waited for: who types the command again does not wait either.
    """
    victims = fault.moment(here, driver, random)
    met = not driver.is_over()
    hit = [send(victim, fault.number) for victim in victims] if met else []
    struck = time.monotonic()
    code = None if fault.moment is worker else driver.wait()
    seconds = time.monotonic() - struck
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
    _await(driver, lambda: bool(workers(driver.pid)))
    return workers(driver.pid)[:1]


def everything(here: Place, driver: Driver, random: Random) -> list[int]:
    """Wait for some progress; every process is a victim, as when the machine loses power."""
    _await_progress(here, driver, random)
    return [driver.pid, *of_driver(driver.pid)]


def _await_progress(here: Place, driver: Driver, random: Random) -> None:
    _await(driver, lambda: bool(workers(driver.pid)))  # those of the last driver may end some too
    before = here.n_ended()
    most = (
        N_TRIALS - before
    ) // 3  # 0 of the last two: they may end together, and with them the sweep
    wanted = before + random.randint(min(1, most), most)
    _await(driver, lambda: here.n_ended() >= wanted)
    time.sleep(random.uniform(0.0, 0.3))


def _await(driver: Driver, condition: Callable[[], bool]) -> None:
    wait_until(
        lambda: condition() or driver.is_over(), seconds=LONGEST_RUN, what="the sweep gets on"
    )
