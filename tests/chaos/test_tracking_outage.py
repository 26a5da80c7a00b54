"""A tracking server that dies costs no result and holds no driver up; `sslbench sync` catches up later."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient

from sslbench.ledger import Ledger
from sslbench.tracking.description import final_values
from tests.chaos.checker import check_nothing_left, check_whole
from tests.chaos.harness import Driver, Place, ended, place
from tests.chaos.processes import wait_until
from tests.chaos.stalls import heartbeat_variables, longest, of_interpreter, of_scheduling
from tests.sslbench.tracking.real_server import RealServer

LONGEST_SWEEP = 900.0
DRAIN_SECONDS = 30.0  # what leaving the sweep waits for MLflow at most
LONGEST_STALL = 2.0
AWAY_SECONDS = 5.0
N_BEFORE = 3  # trials that have ended when the server dies
pytestmark = [pytest.mark.nightly, pytest.mark.timeout(2_400)]  # each is a sweep of its own


def dead_from_the_start(server: RealServer) -> None:
    """Never start."""


def killed_for_good(server: RealServer) -> None:
    """Die in the middle of the sweep."""
    server.kill()


def killed_and_back(server: RealServer) -> None:
    """Die in the middle, and come back while the sweep still runs."""
    server.kill()
    time.sleep(AWAY_SECONDS)
    server.start()


def silent(server: RealServer) -> None:
    """Take connections and never answer."""
    server.hang()


Outage = Callable[[RealServer], None]
OUTAGES = [dead_from_the_start, killed_for_good, killed_and_back, silent]


@dataclass
class Sweep:
    """A sweep that ran through an outage."""

    here: Place
    driver: Driver
    server: RealServer
    outage: Outage
    heartbeat: Path
    died: float  # unix time
    seconds_to_leave: float  # from the report to the end


@pytest.fixture(scope="module", params=OUTAGES)
def sweep(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sweep]:
    folder, outage = tmp_path_factory.mktemp("outage"), request.param
    home, heartbeat = folder / "home", folder / "heartbeat.txt"
    home.mkdir()
    # its database lies where that of a sweep without a server lies: the checker reads it
    server = RealServer(folder / "server", backend=f"sqlite:///{home}/mlflow.db")
    variables = {"MLFLOW_TRACKING_URI": server.uri, **heartbeat_variables(heartbeat)}
    try:
        with place(folder, **variables) as here:
            if outage is not dead_from_the_start:
                server.start()
            driver = here.start()
            with suppress(TimeoutError):
                wait_until(
                    lambda: here.n_ended() >= N_BEFORE or driver.is_over(),
                    seconds=LONGEST_SWEEP,
                    what="some trials end",
                )
            died = time.time()
            outage(server)
            driver.wait(LONGEST_SWEEP)
            yield Sweep(here, driver, server, outage, heartbeat, died, since_report(home))
    finally:
        server.kill()


def since_report(home: Path) -> float:
    return time.time() - max(f.stat().st_mtime for f in home.glob("reports/*.html"))


def records_of(home: Path) -> list[Path]:
    return list(home.glob("ledger/*/trials/*/attempt-*/result.json"))


def test_the_sweep_finishes_and_says_that_mlflow_lags(sweep: Sweep) -> None:
    output = sweep.driver.output()
    if sweep.outage is killed_and_back and sweep.driver.wait() == 0:  # everything arrived in time
        check_whole(sweep.here.home)
    else:
        assert sweep.driver.wait() == 6, output
        assert "results are safe: sslbench sync" in output
    assert "verdict" in output
    assert "Traceback" not in output
    assert sweep.seconds_to_leave < DRAIN_SECONDS + 20
    check_nothing_left(sweep.here)


def test_the_outage_holds_the_driver_up_no_longer_than_two_seconds(sweep: Sweep) -> None:
    home, died = sweep.here.home, sweep.died
    assert list(of_scheduling(home))
    before = longest(of_scheduling(home), since=0.0, until=died)  # of a busy machine
    assert longest(of_scheduling(home), since=died) < before + LONGEST_STALL
    last = max(f.stat().st_mtime for f in records_of(home))  # later the report is drawn
    assert longest(of_interpreter(sweep.heartbeat), since=died, until=last) < LONGEST_STALL


def test_sync_shows_every_trial_once_as_the_ledger_has_it(sweep: Sweep) -> None:
    here, server = sweep.here, sweep.server
    before = ended(here.home)
    server.kill()
    server.start()
    for _ in range(2):  # syncing what is synced changes nothing
        done = here.command("sync")
        assert done.returncode == 0, done.stderr
    check_whole(here.home)
    check_scores(here.home, server.uri)
    assert ended(here.home) == before


def check_scores(home: Path, uri: str) -> None:
    """I4: what MLflow says last of every trial is what its record says."""
    client = MlflowClient(uri)
    (experiment,) = client.search_experiments(filter_string="name = 'steady'")
    shown = {
        run.data.tags["sslbench.uid"]: run.data.metrics
        for run in client.search_runs([experiment.experiment_id])
        if "sslbench.uid" in run.data.tags
    }
    (folder,) = home.glob("ledger/*")
    for uid, record in Ledger(folder).records().items():
        assert final_values(record).items() <= shown[uid].items()


def test_sync_to_a_dead_server_is_one_error_and_loses_nothing(sweep: Sweep) -> None:
    sweep.server.kill()
    before = ended(sweep.here.home)
    done = sweep.here.command("sync")
    assert done.returncode == 4
    assert done.stderr.startswith("error[S032]")
    assert len(done.stderr.splitlines()) <= 8
    assert ended(sweep.here.home) == before


def test_status_asks_no_server(sweep: Sweep) -> None:
    done = sweep.here.command("status")
    assert done.returncode == 0, done.stderr
    assert "steady" in done.stdout
