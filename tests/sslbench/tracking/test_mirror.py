from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType

from sslbench.ledger import Ledger
from sslbench.results import Failure
from sslbench.tracking import trial_run
from sslbench.tracking.facts import Ending
from sslbench.tracking.mirror import Mirror
from sslbench.tracking.store import ensure_store, store_uri
from tests.sslbench.tracking.fake_ledger import (
    OBJECTIVE,
    START,
    begin,
    end,
    facts_of,
    job_of,
    point,
    whole_sweep,
)


def all_runs(uri: str, *, view: int = ViewType.ACTIVE_ONLY) -> list[Run]:
    client = MlflowClient(uri, uri)
    found = client.get_experiment_by_name("mae_masking")
    return list(client.search_runs([found.experiment_id], run_view_type=view))


def by_uid(uri: str) -> dict[str, Run]:
    runs = [run for run in all_runs(uri) if "sslbench.uid" in run.data.tags]
    found = {run.data.tags["sslbench.uid"]: run for run in runs}
    assert len(found) == len(runs)
    return found


def parent_of(uri: str) -> Run:
    (parent,) = [r for r in all_runs(uri) if r.data.tags["sslbench.stage"] == "sweep"]
    return parent


def projection(uri: str) -> dict[str, Any]:
    """Everything a person can see, without what MLflow makes up anew: ids and places."""
    client, shown = MlflowClient(uri, uri), {}
    for run in all_runs(uri):
        made_up = {"mlflow.parentRunId", "mlflow.note.content", "mlflow.user"}
        tags = {k: v for k, v in run.data.tags.items() if k not in made_up}
        curves = {
            key: sorted(
                (m.step, m.timestamp, m.value)
                for m in client.get_metric_history(run.info.run_id, key)
            )
            for key in run.data.metrics
        }
        shown[run.data.tags.get("sslbench.uid", "parent")] = {
            "name": run.info.run_name,
            "status": run.info.status,
            "end": run.info.end_time,
            "params": run.data.params,
            "tags": tags,
            "latest": run.data.metrics,
            "curves": curves,
            "files": artifacts(client, run.info.run_id),
        }
    return shown


def artifacts(client: MlflowClient, run_id: str, path: str | None = None) -> list[str]:
    names: list[str] = []
    for found in client.list_artifacts(run_id, path):
        names += artifacts(client, run_id, found.path) if found.is_dir else [found.path]
    return sorted(names)


def test_every_outcome_becomes_its_status(home: Path, uri: str, ledger: Ledger) -> None:
    jobs = whole_sweep(ledger)
    Mirror(ledger, uri, facts_of(home)).step()
    runs = by_uid(uri)
    status = {name: runs[job.uid].info.status for name, job in jobs.items()}
    assert status == {
        "finished": "FINISHED",
        "stopped": "KILLED",
        "failed": "FAILED",
        "supervised": "FINISHED",
        "confirm 101": "FINISHED",
        "confirm 102": "FINISHED",
    }
    failed = runs[jobs["failed"].uid]
    assert failed.data.tags["sslbench.failure"] == "diverged"
    assert artifacts(MlflowClient(uri), failed.info.run_id) == ["failure/traceback.txt"]


def test_search_runs_carry_no_test_metric_and_confirm_runs_do(
    home: Path, uri: str, ledger: Ledger
) -> None:
    whole_sweep(ledger)
    Mirror(ledger, uri, facts_of(home)).step()
    for run in by_uid(uri).values():
        has_test = any(key.startswith("test/") for key in run.data.metrics)
        assert has_test == (run.data.tags["sslbench.stage"] == "confirm")


def test_a_run_says_what_it_is(home: Path, uri: str, ledger: Ledger) -> None:
    jobs = whole_sweep(ledger)
    Mirror(ledger, uri, facts_of(home)).step()
    runs = by_uid(uri)
    run = runs[jobs["stopped"].uid]
    assert run.info.run_name == "mae/mlp 0.002 #2"
    assert runs[jobs["confirm 101"].uid].info.run_name == "mae/mlp confirm seed 101 #5"
    assert 0 < len(run.data.params) <= 40
    assert run.data.params["training/learning_rate"] == "0.002"
    assert "dataset/n_top_genes" not in run.data.params  # None
    expected = {
        "sweep": "mae_masking", "stage": "search", "arm": "mae", "pretext": "supervised",
        "encoder": "mlp", "scenario": "in_data", "dataset": "pbmc_cite", "execution": "e1",
        "recipe": jobs["stopped"].config.recipe(), "commit": "abc1234", "dirty": "no",
        "fingerprint": jobs["stopped"].config.fingerprint(), "data_fingerprint": "d" * 16,
    }  # fmt: skip
    assert (
        expected.items()
        <= {k.removeprefix("sslbench."): v for k, v in run.data.tags.items()}.items()
    )
    assert run.data.tags["mlflow.parentRunId"] == parent_of(uri).info.run_id
    assert runs[jobs["finished"].uid].data.tags["sslbench.regime"] == "self-supervised"


def test_the_value_that_sorts_is_the_score_of_the_kept_weights(
    home: Path, uri: str, ledger: Ledger
) -> None:
    job = job_of()
    end(job, begin(ledger, job, curve=(0.3, 0.7, 0.5)), score=0.7)
    Mirror(ledger, uri, facts_of(home)).step()
    run = by_uid(uri)[job.uid]
    assert run.data.metrics[OBJECTIVE] == 0.7
    history = MlflowClient(uri).get_metric_history(run.info.run_id, OBJECTIVE)
    assert sorted((m.step, m.timestamp, m.value) for m in history) == [
        (75, START + 750, 0.3),
        (150, START + 1500, 0.7),
        (225, START + 2250, 0.5),
        (225, START + 100_000, 0.7),
    ]


def test_a_second_step_changes_nothing(home: Path, uri: str, ledger: Ledger) -> None:
    whole_sweep(ledger)
    mirror = Mirror(ledger, uri, facts_of(home))
    assert mirror.step() > 0
    before = projection(uri)
    assert mirror.step() == 0
    assert projection(uri) == before


def test_another_mirror_on_the_same_store_adds_nothing(
    home: Path, uri: str, ledger: Ledger
) -> None:
    whole_sweep(ledger)
    ending = Ending(verdict="not separable", summary={"test/mae/macro_f1": 0.5})
    Mirror(ledger, uri, facts_of(home)).close(ending)
    before = projection(uri)
    Mirror(ledger, uri, facts_of(home)).close(ending)
    assert projection(uri) == before
    assert len(all_runs(uri, view=ViewType.ALL)) == 7


def test_a_store_rebuilt_from_the_ledger_equals_one_that_was_shown_live(
    tmp_path: Path, home: Path, uri: str, ledger: Ledger
) -> None:
    ending = Ending(verdict="not separable")
    live, job = Mirror(ledger, uri, facts_of(home)), job_of(rate=9e-3)
    lost = begin(ledger, job, curve=(0.2, 0.3, 0.4))  # its worker dies after three reports
    live.step()
    again = begin(ledger, job, curve=(0.2,))
    live.step()
    again.append(point(150, 0.25))
    live.step()
    end(job, again, score=0.25)
    live.step()
    whole_sweep(ledger)
    live.close(ending)
    assert lost.number == 1

    other = tmp_path / "other"
    other.mkdir()
    ensure_store(store_uri(other), other)
    Mirror(ledger, store_uri(other), facts_of(other)).close(ending)
    assert projection(store_uri(other)) == projection(uri)
    assert projection(uri)[job.uid]["latest"][OBJECTIVE] == 0.25


def test_curves_are_shown_while_a_trial_runs(home: Path, uri: str, ledger: Ledger) -> None:
    mirror, job = Mirror(ledger, uri, facts_of(home)), job_of()
    attempt = begin(ledger, job, curve=(0.3,))
    mirror.step()
    run = by_uid(uri)[job.uid]
    assert (run.info.status, run.data.metrics[OBJECTIVE]) == ("RUNNING", 0.3)
    attempt.append(point(150, 0.4))
    assert mirror.step() == 1
    assert by_uid(uri)[job.uid].data.metrics[OBJECTIVE] == 0.4
    assert mirror.step() == 0


def test_a_planned_trial_that_nobody_has_begun_is_not_shown(
    home: Path, uri: str, ledger: Ledger
) -> None:
    ledger.plan(job_of())
    Mirror(ledger, uri, facts_of(home)).step()
    assert by_uid(uri) == {}


def test_a_retried_trial_keeps_its_run(home: Path, uri: str, ledger: Ledger) -> None:
    mirror, job = Mirror(ledger, uri, facts_of(home)), job_of()
    failure = Failure(kind="oom", message="out of memory")
    end(job, begin(ledger, job), outcome="failed", failure=failure)
    mirror.step()
    first = by_uid(uri)[job.uid]
    assert first.info.status == "FAILED"
    attempt = begin(ledger, job)
    mirror.step()
    assert by_uid(uri)[job.uid].info.status == "RUNNING"
    end(job, attempt)
    mirror.step()
    last = by_uid(uri)[job.uid]
    assert (last.info.run_id, last.info.status) == (first.info.run_id, "FINISHED")
    assert "sslbench.failure" not in last.data.tags
    assert last.data.tags["sslbench.attempt"] == "2"


def test_a_run_left_running_by_a_killed_driver_is_closed_by_the_next(
    home: Path, uri: str, ledger: Ledger
) -> None:
    job = job_of()
    killed = Mirror(ledger, uri, facts_of(home))
    begin(ledger, job)
    killed.step()
    assert by_uid(uri)[job.uid].info.status == "RUNNING"

    resumed = Mirror(ledger, uri, facts_of(home))
    resumed.step()
    run = by_uid(uri)[job.uid]
    assert run.info.status == "KILLED"
    assert run.data.tags["sslbench.ended"] == "orphaned"
    assert parent_of(uri).info.status == "RUNNING"

    end(job, begin(ledger, job))
    resumed.step()
    run = by_uid(uri)[job.uid]
    assert run.info.status == "FINISHED"
    assert "sslbench.ended" not in run.data.tags


def test_runs_of_an_execution_that_was_started_over_do_not_stay_running(
    home: Path, uri: str, tmp_path: Path, ledger: Ledger
) -> None:
    begin(ledger, job_of())
    Mirror(ledger, uri, facts_of(home, execution="old")).step()
    begin(ledger, job_of())  # the old ledger's trial, live when its driver was killed
    ledger.folder.rename(tmp_path / "set_aside")
    Mirror(ledger, uri, facts_of(home, execution="new")).step()
    status = {(r.data.tags["sslbench.execution"], r.info.status) for r in all_runs(uri)}
    assert status == {("old", "KILLED"), ("new", "RUNNING")}


def test_runs_that_another_ledger_shows_on_the_same_server_are_left_alone(
    home: Path, uri: str, tmp_path: Path, ledger: Ledger
) -> None:
    colleague = Ledger(tmp_path / "colleague" / "mae_masking")
    Mirror(colleague, uri, facts_of(home, execution="theirs")).step()
    Mirror(ledger, uri, facts_of(home, execution="ours")).close(None)
    status = {r.data.tags["sslbench.execution"]: r.info.status for r in all_runs(uri)}
    assert status == {"theirs": "RUNNING", "ours": "KILLED"}


def test_closing_an_interrupted_sweep_leaves_nothing_running(
    home: Path, uri: str, ledger: Ledger
) -> None:
    mirror = Mirror(ledger, uri, facts_of(home))
    begin(ledger, job_of())
    mirror.step()
    mirror.close(None)
    assert {run.info.status for run in all_runs(uri)} == {"KILLED"}


def test_a_later_sync_does_not_undo_the_end_of_a_sweep(
    home: Path, uri: str, ledger: Ledger
) -> None:
    whole_sweep(ledger)
    Mirror(ledger, uri, facts_of(home)).close(Ending(verdict="not separable"))
    Mirror(ledger, uri, facts_of(home)).close(None)
    parent = parent_of(uri)
    assert parent.info.status == "FINISHED"
    assert "**not separable**" in parent.data.tags["mlflow.note.content"]


def test_a_run_made_twice_by_a_slow_server_is_shown_once(
    home: Path, uri: str, ledger: Ledger
) -> None:
    jobs = whole_sweep(ledger)
    Mirror(ledger, uri, facts_of(home)).step()
    run = by_uid(uri)[jobs["finished"].uid]
    MlflowClient(uri).create_run(
        run.info.experiment_id, start_time=START + 5, tags=dict(run.data.tags)
    )
    Mirror(ledger, uri, facts_of(home)).step()
    assert by_uid(uri)[jobs["finished"].uid].info.run_id == run.info.run_id


def test_a_confirm_run_holds_its_checkpoint_and_figures(
    home: Path, uri: str, ledger: Ledger
) -> None:
    jobs = whole_sweep(ledger)
    Mirror(ledger, uri, facts_of(home)).step()
    run, client = by_uid(uri)[jobs["confirm 101"].uid], MlflowClient(uri)
    assert artifacts(client, run.info.run_id) == [
        "checkpoint/checkpoint.json",
        "checkpoint/encoder.safetensors",
        "checkpoint/labels.json",
        "figures/confusion_knn.png",
        "figures/learning_curve.png",
    ]
    assert Path(run.info.artifact_uri).is_relative_to(home / "artifacts")


def test_the_figures_of_a_confirm_run_are_drawn_with_the_names_of_the_sweeps_cell_types(
    home: Path, uri: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    monkeypatch.setattr(
        trial_run, "write_figures", lambda *_, label_names, **__: told.append(label_names)
    )
    whole_sweep(ledger)
    Mirror(ledger, uri, facts_of(home)).step()
    assert set(told) == {("B", "NK", "T")}


def test_the_parent_run_shows_the_report_and_the_verdict(
    home: Path, uri: str, tmp_path: Path, ledger: Ledger
) -> None:
    whole_sweep(ledger)
    html, csv = tmp_path / "mae_masking.html", tmp_path / "mae_masking.csv"
    html.write_text("<p>rank</p>")
    csv.write_text("rank\n1\n")
    ending = Ending(verdict="not separable", report_files=(html, csv), summary={"mae/gap": 0.01})
    Mirror(ledger, uri, facts_of(home)).close(ending)
    parent, client = parent_of(uri), MlflowClient(uri)
    assert (parent.info.run_name, parent.info.status) == ("mae_masking on pbmc_cite", "FINISHED")
    assert artifacts(client, parent.info.run_id) == [
        "report/mae_masking.csv",
        "report/mae_masking.html",
    ]
    assert parent.data.metrics == {"mae/gap": 0.01}
    assert "**not separable**" in parent.data.tags["mlflow.note.content"]


def test_the_experiment_opens_as_model_training_and_says_what_to_click(
    home: Path, uri: str, ledger: Ledger
) -> None:
    mirror = Mirror(ledger, uri, facts_of(home))
    mirror.step()
    experiment = MlflowClient(uri).get_experiment(mirror.experiment_id)
    assert experiment.name == "mae_masking"
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    note = experiment.tags["mlflow.note.content"]
    assert f"#/experiments/{mirror.experiment_id}/runs?workflowType=machine_learning" in note


def test_a_damaged_record_is_not_shown_as_finished(home: Path, uri: str, ledger: Ledger) -> None:
    job = job_of(stage="confirm", seed=101)
    attempt = begin(ledger, job)
    record = end(job, attempt)
    (attempt.folder / "checkpoint" / "encoder.safetensors").write_bytes(b"other")
    Mirror(ledger, uri, facts_of(home)).step()
    assert by_uid(uri)[job.uid].info.status == "KILLED"
    assert json.loads((attempt.folder / "result.json").read_text())["uid"] == record.uid
