"""A sweep on a cluster that was there, of which a node dies, beside a tracking server that never answers: no result is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import pytest

from tests.chaos.checker import check_nothing_left, check_nothing_lost, check_whole
from tests.chaos.faults import Blow, Fault, node, strike
from tests.chaos.harness import Driver, Ended, Place, ended, place, with_nodes
from tests.chaos.processes import of_driver

DEAD_SERVER = "http://127.0.0.1:9"
DRAIN_SECONDS = 30.0  # what leaving the sweep waits for MLflow at most
pytestmark = pytest.mark.slow


@dataclass
class Story:
    """One sweep on two nodes."""

    here: Place
    driver: Driver
    started: dict[int, str]  # processes that the driver started
    blow: Blow
    seconds_to_leave: float  # from the report to the end
    at_the_end: dict[str, Ended]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with (
        place(tmp_path_factory.mktemp("joined"), MLFLOW_TRACKING_URI=DEAD_SERVER) as here,
        with_nodes(here),
    ):
        driver = here.start()
        blow = strike(here, driver, Fault(node), Random(1))
        started = of_driver(driver.pid)
        driver.wait()
        seconds = time.time() - max(f.stat().st_mtime for f in here.home.glob("reports/.made_of/*"))
        yield Story(here, driver, started, blow, seconds, ended(here.home))


def test_the_cluster_is_joined_and_left_as_it_was(story: Story) -> None:
    own = [c for c in story.started.values() if "gcs_server" in c or "raylet" in c]
    assert own == []
    assert story.here.nodes is not None
    assert story.here.nodes.head_is_up()
    check_nothing_left(story.here)


def test_trials_of_a_node_that_died_run_on_the_other(story: Story) -> None:
    assert story.blow.hit, story.blow.output
    check_nothing_lost(story.blow.ended, story.at_the_end)
    assert max(trial.n_attempts for trial in story.at_the_end.values()) > 1


def test_the_sweep_finishes_and_says_that_mlflow_lags(story: Story) -> None:
    said = story.driver.output()
    assert story.driver.wait() == 6, said
    assert "verdict" in said
    assert "results are safe: sslbench sync" in said
    assert story.seconds_to_leave < DRAIN_SECONDS + 20


def test_sync_to_a_dead_server_is_one_error_and_loses_nothing(story: Story) -> None:
    done = story.here.command("sync")
    assert done.returncode == 4
    assert done.stderr.startswith("error[S032]")
    assert len(done.stderr.splitlines()) <= 8
    assert ended(story.here.home) == story.at_the_end


def test_sync_shows_every_trial_once(story: Story) -> None:
    story.here.environment.pop("MLFLOW_TRACKING_URI", None)
    for _ in range(2):  # syncing what is synced changes nothing
        done = story.here.command("sync")
        assert done.returncode == 0, done.stderr
    check_whole(story.here.home)
    assert ended(story.here.home) == story.at_the_end
