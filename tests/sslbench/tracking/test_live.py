from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from sslbench.errors import SetupError
from sslbench.ledger import Ledger
from sslbench.tracking.facts import Ending
from sslbench.tracking.live import LiveMirror, sync
from sslbench.tracking.mirror import Mirror
from tests.sslbench.tracking.fake_ledger import (
    OBJECTIVE,
    begin,
    end,
    facts_of,
    job_of,
    whole_sweep,
)

DEAD = "http://127.0.0.1:9"


def statuses(uri: str) -> list[str]:
    client = MlflowClient(uri, uri)
    found = client.get_experiment_by_name("mae_masking")
    if found is None:
        return []
    return sorted(run.info.status for run in client.search_runs([found.experiment_id]))


def points_by_run(uri: str) -> list[int]:
    client = MlflowClient(uri, uri)
    found = client.get_experiment_by_name("mae_masking")
    trials = client.search_runs([found.experiment_id], f"metrics.`{OBJECTIVE}` >= 0")
    return [len(client.get_metric_history(run.info.run_id, OBJECTIVE)) for run in trials]


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline, "nothing arrived within 20 s"
        time.sleep(0.05)


def test_results_arrive_while_the_sweep_runs(home: Path, uri: str, ledger: Ledger) -> None:
    with LiveMirror(ledger, uri, facts_of(home), every_seconds=0.05) as live:
        job = job_of()
        attempt = begin(ledger, job)
        wait_until(lambda: statuses(uri) == ["RUNNING", "RUNNING"])
        end(job, attempt)
        wait_until(lambda: statuses(uri) == ["FINISHED", "RUNNING"])
        assert live.experiment_id is not None
        live.finish(Ending(verdict="not separable"))
    assert live.synced
    assert statuses(uri) == ["FINISHED", "FINISHED"]


def test_leaving_drains_what_no_step_has_seen(home: Path, uri: str, ledger: Ledger) -> None:
    with LiveMirror(ledger, uri, facts_of(home), every_seconds=60) as live:
        wait_until(lambda: statuses(uri) == ["RUNNING"])
        whole_sweep(ledger)
        live.finish(Ending(verdict="not separable"))
    assert live.synced
    assert len(statuses(uri)) == 7
    assert "RUNNING" not in statuses(uri)


def test_an_interrupted_sweep_ends_as_killed_and_the_interrupt_goes_on(
    home: Path, uri: str, ledger: Ledger
) -> None:
    live = LiveMirror(ledger, uri, facts_of(home), every_seconds=0.05)
    begin(ledger, job_of())
    live.finish(Ending(verdict="too early"))
    with pytest.raises(KeyboardInterrupt), live:
        raise KeyboardInterrupt
    assert live.synced
    assert statuses(uri) == ["KILLED", "KILLED"]


def test_a_dead_server_neither_raises_nor_holds_the_sweep_up(home: Path, ledger: Ledger) -> None:
    whole_sweep(ledger)
    with LiveMirror(ledger, DEAD, facts_of(home), drain_seconds=1.0) as live:
        time.sleep(0.2)
        live.finish(Ending(verdict="not separable"))
        started = time.monotonic()
    assert time.monotonic() - started < 2.0
    assert not live.synced
    assert "127.0.0.1" in live.last_error


def test_what_a_dead_server_missed_is_shipped_by_sync(home: Path, uri: str, ledger: Ledger) -> None:
    whole_sweep(ledger)
    with LiveMirror(ledger, DEAD, facts_of(home), drain_seconds=0.1):
        pass
    experiment_id = sync(ledger, uri, facts_of(home), ending=Ending(verdict="not separable"))
    assert MlflowClient(uri).get_experiment(experiment_id).name == "mae_masking"
    assert len(statuses(uri)) == 7


def test_sync_names_the_remedy_when_the_server_is_unreachable(home: Path, ledger: Ledger) -> None:
    with pytest.raises(SetupError) as caught:
        sync(ledger, DEAD, facts_of(home))
    assert caught.value.code == "S032"
    assert "sslbench sync" in str(caught.value)
    assert caught.value.exit_code == 4


def test_a_server_that_fails_in_the_middle_gets_each_run_once(
    home: Path, uri: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_sweep(ledger)
    mirror, calls = Mirror(ledger, uri, facts_of(home)), 0
    working = MlflowClient.log_batch

    def failing(self: MlflowClient, *args: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls % 2 == 0:
            raise ConnectionError("the server went away")
        return working(self, *args, **named)

    monkeypatch.setattr(MlflowClient, "log_batch", failing)
    failures = 0
    while True:
        try:
            if mirror.step() == 0:
                break
        except ConnectionError:
            failures += 1
    assert failures > 2
    monkeypatch.undo()
    Mirror(ledger, uri, facts_of(home)).close(Ending(verdict="not separable"))
    assert statuses(uri) == ["FAILED", *["FINISHED"] * 5, "KILLED"]
    # two reports each, and one more point for the score of the kept weights where there is one
    assert sorted(points_by_run(uri)) == [2, 2, 3, 3, 3, 3]
