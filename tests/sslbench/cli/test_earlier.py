"""What the leaderboard knows of the same question on earlier data, and when a sweep does not go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from sslbench.cli.board import answer
from sslbench.cli.earlier import of_earlier_data, refuse_other_versions
from sslbench.cli.question import Question, write_question
from sslbench.errors import SetupError
from sslbench.ledger import Job, Ledger
from sslbench.metric_versions import metric_versions
from sslbench.results import CurvePoint, TrialRecord, TrialResult
from sslbench.search.spec import SweepSpec, load_sweep
from tests.sslbench.cli.questions import question_on

SWEEP = load_sweep(Path(__file__).parents[3] / "sweeps/smoke.yaml")


def asked(folder: Path, *, data: str, at: int, spec: SweepSpec = SWEEP) -> Question:
    """A question of the sweep on one version of the data, with one search and one confirm trial of pca."""
    question = question_on(data, spec=spec, asked_unix_ms=at)
    write_question(Ledger(folder), question)
    for stage in ("search", "confirm"):
        job = Job(
            arm="pca",
            stage=stage,
            params={},
            config=spec.config("pca", {}, seed=0),
            data_fingerprint=data,
        )
        Ledger(folder).plan(job)
        attempt = Ledger(folder).new_attempt(job.uid)
        record = job.ended(
            attempt, "finished", result=a_result(), provenance={}, started_unix_ms=at
        )
        attempt.finish(record)
    return question


def a_result() -> TrialResult:
    value = {"val/knn/macro_f1": 0.5}
    point = CurvePoint(updates=0, seconds=0.1, unix_ms=1, values=value)
    return TrialResult(
        scores=value | {"test/knn/macro_f1": 0.4},
        best_updates=0,
        updates=0,
        seconds=0.1,
        curve=(point,),
        n_parameters=1,
        regime="unsupervised",
    )


def records(folder: Path) -> list[TrialRecord]:
    return list(Ledger(folder).records().values())


def test_a_trial_records_the_versions_of_the_tasks_it_was_scored_by(tmp_path: Path) -> None:
    asked(tmp_path / "smoke-1", data="old", at=1)
    names = [given["name"] for given in SWEEP.evaluation]
    by_stage = {r.stage: r.metric_versions for r in records(tmp_path / "smoke-1")}
    assert by_stage == {
        "search": metric_versions(names, confirm=False),
        "confirm": metric_versions(names, confirm=True),
    }
    assert by_stage["confirm"]["knn"] == "1"


def test_the_same_question_on_earlier_data_is_shown_as_stale(tmp_path: Path) -> None:
    asked(tmp_path / "smoke-1", data="old", at=1)
    now = asked(tmp_path / "smoke-2", data="new", at=2)
    (tmp_path / "smoke-2" / "trials").rename(tmp_path / "gone")
    board = answer(tmp_path / "smoke-2", now).board
    assert board.rows == ()
    (stale,) = board.stale
    assert (stale.method, stale.reason) == ("pca/linear", "data old (now new)")
    assert stale.refresh == "sslbench sweep smoke --fresh"


def test_newer_data_and_another_question_are_no_earlier_data(tmp_path: Path) -> None:
    before = asked(tmp_path / "smoke-1", data="old", at=1)
    now = asked(tmp_path / "smoke-2", data="new", at=2)
    other = SWEEP.model_copy(update={"seed": 7})
    asked(tmp_path / "smoke-3", data="older still", at=0, spec=other)
    found = of_earlier_data(tmp_path / "smoke-2", now)
    assert {r.data_fingerprint for r in found} == {"old"}
    assert of_earlier_data(tmp_path / "smoke-1", before) == []


def test_no_trial_is_run_beside_trials_of_another_version(tmp_path: Path) -> None:
    question = asked(tmp_path / "smoke-1", data="old", at=1)
    found = records(tmp_path / "smoke-1")
    refuse_other_versions(found, question)
    old = [r.model_copy(update={"metric_versions": {"knn": "0"}}) for r in found]
    with pytest.raises(SetupError, match="cannot be compared") as raised:
        refuse_other_versions(old, question)
    assert raised.value.code == "S022"
    assert raised.value.found == "knn 0 (now 1)"
    assert str(raised.value.fix).endswith("--fresh")


def test_records_of_before_versions_were_noted_go_on(tmp_path: Path) -> None:
    question = asked(tmp_path / "smoke-1", data="old", at=1)
    old = [r.model_copy(update={"metric_versions": {}}) for r in records(tmp_path / "smoke-1")]
    refuse_other_versions(old, question)
