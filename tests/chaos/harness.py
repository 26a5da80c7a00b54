"""A real sweep command, the place in which it runs, and what lies there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sslbench.durable import sha256
from sslbench.ledger import Ledger
from sslbench.search.controls import with_controls
from sslbench.search.spec import load_sweep
from tests.chaos.nodes import OPEN, Nodes
from tests.chaos.processes import listening, of_driver, send, workers
from tests.sslbench.tracking.real_server import RealServer, real_server

COMMAND = str(Path(sys.executable).with_name("sslbench"))
REPOSITORY = Path(__file__).parents[2]
LONGEST_RUN = 900.0
SWEEP = str(Path(__file__).with_name("steady.yaml"))
_SPEC = with_controls(load_sweep(Path(SWEEP)))
N_TRIALS = _SPEC.n_search_trials() + len(_SPEC.arms) * _SPEC.budget.confirm_seeds  # of this sweep
# On two nodes a trial has to take longer than a worker to start: Tune gives the next one to the worker that is free, and
# ends the one that still starts, so that the second node would never run any.
LONG_TRIALS = (
    *("-o", "training.max_updates=4800"),
    *("-o", "training.evaluate_every=800"),
    *("-o", "halving.first_rung=1600"),
)
MORE_SEEDS = 3  # that are asked for where it has come to its end and there is more to happen to it


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
    """One running `sslbench sweep`, and the longest time in which it said nothing."""

    process: subprocess.Popen[str]
    log: Path
    silence: float = 0.0  # seconds
    silent_after: str = ""  # the last line before it

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait(self, seconds: float = LONGEST_RUN) -> int:
        return self.process.wait(timeout=seconds)

    def is_over(self) -> bool:
        return self.process.poll() is not None

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def watch(self) -> None:
        """Measure its silences until it is over."""
        since, size = time.monotonic(), 0
        while not self.is_over():
            time.sleep(0.25)
            if (now := self.log.stat().st_size) != size:
                since, size = time.monotonic(), now
            elif (silence := time.monotonic() - since) > self.silence:
                self.silence = silence
                self.silent_after = (self.output().splitlines() or ["(the start)"])[-1]


@dataclass
class Place:
    """A tracking folder, a temporary folder of its own (its path must be short: sockets lie in it) and its runs."""

    home: Path
    scratch: Path
    environment: dict[str, str] = field(default_factory=dict)
    drivers: list[Driver] = field(default_factory=list)
    server: RealServer | None = None
    nodes: Nodes | None = None
    sockets: set[str] = field(default_factory=set)  # on which something of ours was seen to listen
    n_more_seeds: int = 0  # of each arm, beside those of the sweep file

    def start(self, *arguments: str, sweep: str = SWEEP) -> Driver:
        """Start the sweep as a process group of its own, as a terminal does."""
        log = self.home.parent / f"run-{len(self.drivers) + 1}.log"
        if self.nodes is not None:
            arguments = (*arguments, *LONG_TRIALS)
        if self.n_more_seeds:
            n_seeds = _SPEC.budget.confirm_seeds + self.n_more_seeds
            arguments = (*arguments, "-o", f"budget.confirm_seeds={n_seeds}")
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
        driver = Driver(process, log)
        threading.Thread(target=driver.watch, daemon=True).start()
        self.drivers.append(driver)
        return driver

    def command(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run another verb on the same tracking folder to its end."""
        return subprocess.run(
            [COMMAND, *arguments, "--home", str(self.home)],
            cwd=REPOSITORY,
            env=self._environment() | environment,
            capture_output=True,
            text=True,
            timeout=LONGEST_RUN,
            check=False,
        )

    @property
    def database(self) -> Path:
        """The database in which MLflow's runs are."""
        return (
            self.server.folder / "mlflow.db" if self.server is not None else self.home / "mlflow.db"
        )

    @property
    def n_trials(self) -> int:
        """How many trials were asked for."""
        return N_TRIALS + self.n_more_seeds * len(_SPEC.arms)

    def ask_for_more(self) -> None:
        """Let the next command ask for more seeds of every arm: what has ended stays, and there is more to run."""
        self.n_more_seeds += MORE_SEEDS

    def n_ended(self) -> int:
        """Return how many attempts have a record; earlier executions set aside do not count."""
        return len(list(self.home.glob("ledger/*/trials/*/attempt-*/result.json")))

    def workers(self, driver: Driver) -> list[int]:
        """Return the processes that run a trial right now."""
        theirs = {} if self.nodes is None else self.nodes.processes()
        return workers(of_driver(driver.pid) | theirs)

    def note_sockets(self, driver: Driver) -> None:
        """Remember where the sweep listens now, to see later whether somebody still does."""
        self.sockets |= listening([driver.pid, *of_driver(driver.pid)])

    def _environment(self) -> dict[str, str]:
        own = {"TMPDIR": str(self.scratch), "COLUMNS": "200"}
        if self.server is not None:
            own["MLFLOW_TRACKING_URI"] = self.server.uri
        if self.nodes is not None:
            own |= {"RAY_ADDRESS": self.nodes.address, **OPEN}
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


@contextmanager
def with_server(here: Place) -> Iterator[None]:
    """Give the place a tracking server of its own."""
    with real_server(here.home.parent / "server") as server:
        here.server = server
        yield


@contextmanager
def with_nodes(here: Place) -> Iterator[None]:
    """Let sweeps of this place run on a cluster of two nodes."""
    with tempfile.TemporaryDirectory(
        prefix="sc-", dir="/tmp", ignore_cleanup_errors=True
    ) as scratch:
        here.nodes = Nodes(Path(scratch))
        try:
            yield
        finally:
            here.nodes.end()
