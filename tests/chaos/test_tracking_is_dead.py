"""A tracking server that never answers costs no result; `sslbench sync` catches up later."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.checker import check_nothing_left, check_whole
from tests.chaos.harness import Driver, Place, ended, place

DEAD_SERVER = "http://127.0.0.1:9"
DRAIN_SECONDS = 30.0  # what leaving the sweep waits for MLflow at most
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Driver, float]]:
    with place(tmp_path_factory.mktemp("dead"), MLFLOW_TRACKING_URI=DEAD_SERVER) as here:
        driver = here.start()
        driver.wait()
        yield here, driver, last_trial_to_end(here.home)


def last_trial_to_end(home: Path) -> float:
    """Seconds from the last trial's record to now."""
    files = home.glob("ledger/*/trials/*/attempt-*/result.json")
    return time.time() - max(file.stat().st_mtime for file in files)


def test_the_sweep_finishes_and_says_that_mlflow_lags(sweep: tuple[Place, Driver, float]) -> None:
    here, driver, seconds = sweep
    assert driver.wait() == 6, driver.output()
    assert "verdict" in driver.output()
    assert "results are safe: sslbench sync" in driver.output()
    assert "Traceback" not in driver.output()
    assert seconds < DRAIN_SECONDS + 20
    check_nothing_left(here)


def test_sync_shows_every_trial_once(sweep: tuple[Place, Driver, float]) -> None:
    here, _, _ = sweep
    before = ended(here.home)
    here.environment.pop("MLFLOW_TRACKING_URI", None)
    for _ in range(2):  # syncing what is synced changes nothing
        done = here.command("sync")
        assert done.returncode == 0, done.stderr
    check_whole(here.home)
    assert ended(here.home) == before


def test_sync_to_a_dead_server_is_one_error_and_loses_nothing(
    sweep: tuple[Place, Driver, float],
) -> None:
    here, _, _ = sweep
    here.environment["MLFLOW_TRACKING_URI"] = DEAD_SERVER
    done = here.command("sync")
    assert done.returncode == 4
    assert done.stderr.startswith("error[S032]")
    assert len(done.stderr.splitlines()) <= 8
    assert len(ended(here.home)) > 0
