"""A server that answers too late makes a run twice: MLflow's client asks again, and both requests are carried out."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from sslbench.ledger import Ledger
from sslbench.tracking.client import tracking_failures
from sslbench.tracking.experiment import Experiment
from sslbench.tracking.facts import Ending
from sslbench.tracking.mirror import Mirror
from tests.sslbench.tracking.fake_ledger import begin, end, facts_of, job_of, whole_sweep


@pytest.fixture(autouse=True)
def _twice(monkeypatch: pytest.MonkeyPatch) -> None:
    once = MlflowClient.create_run

    def twice(self: MlflowClient, *args: object, **named: object) -> Run:
        once(self, *args, **named)
        return once(self, *args, **named)

    monkeypatch.setattr(MlflowClient, "create_run", twice)


def rows(home: Path, query: str) -> list[str]:
    with closing(sqlite3.connect(home / "mlflow.db")) as database:
        return [row[0] for row in database.execute(query)]


def runs_of(home: Path) -> list[str]:
    """Return the uid of every run that a person sees, "" of a sweep's own."""
    return rows(
        home,
        "select coalesce(t.value, '') from runs r left join tags t"
        " on t.run_uuid = r.run_uuid and t.key = 'sslbench.uid' where r.lifecycle_stage = 'active'",
    )


def test_every_trial_and_the_sweep_is_one_run_in_the_end(
    home: Path, uri: str, ledger: Ledger
) -> None:
    uids = [job.uid for job in whole_sweep(ledger).values()]
    Mirror(ledger, uri, facts_of(home)).close(Ending(verdict="not separable"))
    assert sorted(runs_of(home)) == sorted(["", *uids])
    assert rows(home, "select name from runs where status = 'RUNNING'") == []


def test_the_runs_that_stay_are_those_that_were_filled(
    home: Path, uri: str, ledger: Ledger
) -> None:
    job = job_of()
    mirror, attempt = Mirror(ledger, uri, facts_of(home)), begin(ledger, job)
    mirror.step()
    end(job, attempt)
    mirror.close(Ending(verdict="not separable"))
    client = MlflowClient(uri, uri)
    found = client.get_experiment_by_name("mae_masking")
    trial, parent = sorted(
        client.search_runs([found.experiment_id]), key=lambda r: "sslbench.uid" not in r.data.tags
    )
    assert trial.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert trial.data.metrics
    assert parent.data.tags["sslbench.verdict"] == "not separable"


def test_a_new_mirror_leaves_them_as_they_are(home: Path, uri: str, ledger: Ledger) -> None:
    whole_sweep(ledger)
    Mirror(ledger, uri, facts_of(home)).close(Ending(verdict="not separable"))
    before = rows(home, "select run_uuid || lifecycle_stage || status from runs order by run_uuid")
    Mirror(ledger, uri, facts_of(home)).close(Ending(verdict="not separable"))
    again = rows(home, "select run_uuid || lifecycle_stage || status from runs order by run_uuid")
    assert again == before


def forget_which_was_first(home: Path) -> None:
    """Let all runs begin in the same millisecond: then a search may name them in any order."""
    with closing(sqlite3.connect(home / "mlflow.db")) as database, database:
        database.execute("update runs set start_time = 1")


def left_unfinished(home: Path, uri: str, ledger: Ledger) -> tuple[str, str]:
    """A trial's end has arrived, and nothing after it; return the runs that were filled, the sweep's and the trial's."""
    mirror, job = Mirror(ledger, uri, facts_of(home)), job_of()
    attempt = begin(ledger, job)
    mirror.step()
    end(job, attempt)
    mirror.step()
    (trial,) = rows(home, "select run_uuid from tags where key = 'sslbench.shipped'")
    (parent,) = rows(
        home, f"select value from tags where key = 'mlflow.parentRunId' and run_uuid = '{trial}'"
    )
    forget_which_was_first(home)
    return parent, trial


@pytest.mark.parametrize("turned", [False, True], ids=["as stored", "the other way round"])
def test_where_nobody_knows_which_was_first_the_filled_ones_stay(
    home: Path, uri: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, turned: bool
) -> None:
    filled = left_unfinished(home, uri, ledger)
    if turned:
        named = Experiment._search
        monkeypatch.setattr(Experiment, "_search", lambda *asked: reversed(list(named(*asked))))
    Mirror(ledger, uri, facts_of(home)).close(Ending(verdict="not separable"))
    active = rows(home, "select run_uuid from runs where lifecycle_stage = 'active'")
    assert sorted(active) == sorted(filled)


def test_who_may_not_delete_is_in_step_all_the_same(
    home: Path, uri: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(self: MlflowClient, run_id: str) -> None:
        raise MlflowException("Permission denied", error_code=PERMISSION_DENIED)

    monkeypatch.setattr(MlflowClient, "delete_run", forbidden)
    filled = left_unfinished(home, uri, ledger)
    Mirror(ledger, uri, facts_of(home)).close(Ending(verdict="not separable"))
    before = rows(home, "select run_uuid || end_time from runs order by run_uuid")
    Mirror(ledger, uri, facts_of(home)).close(Ending(verdict="not separable"))
    assert rows(home, "select run_uuid || end_time from runs order by run_uuid") == before
    finished = rows(home, "select run_uuid from runs where status = 'FINISHED'")
    assert sorted(finished) == sorted(filled)
    others = rows(home, "select status from runs where status != 'FINISHED'")
    assert others
    assert set(others) == {"KILLED"}


def test_another_refusal_to_delete_is_a_failure_of_the_store(
    home: Path, uri: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: MlflowClient, run_id: str) -> None:
        raise MlflowException("no")

    monkeypatch.setattr(MlflowClient, "delete_run", broken)
    whole_sweep(ledger)
    with pytest.raises(tracking_failures(), match="no"):
        Mirror(ledger, uri, facts_of(home)).close(Ending(verdict="not separable"))
