"""How a sweep that came to its end ends: a collapse is a finding, any other failure is a failure."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast, get_args

import pytest

from sslbench.cli.board import Answer
from sslbench.cli.sweep import any_failed, best_so_far
from sslbench.results import Failure, FailureKind, TrialRecord
from tests.sslbench.leaderboard.fake_sweep import SUPERVISED, fake_sweep

RECORDS = fake_sweep([SUPERVISED]).records


def ended_as(kind: FailureKind, record: TrialRecord, **changed: object) -> TrialRecord:
    failure = Failure(kind=kind, message="why")
    gone = {"outcome": "failed", "result": None, "failure": failure}
    return record.model_copy(update=gone | changed)


def found(*records: TrialRecord) -> Answer:
    return cast(Answer, SimpleNamespace(records=list(records)))


def test_a_sweep_in_which_all_trials_have_scores_is_done() -> None:
    assert not any_failed(found(*RECORDS))


@pytest.mark.parametrize("kind", get_args(FailureKind))
def test_every_failure_but_a_collapse_counts(kind: FailureKind) -> None:
    assert any_failed(found(*RECORDS[1:], ended_as(kind, RECORDS[0]))) == (kind != "collapsed")


def test_a_collapse_hides_no_other_failure() -> None:
    both = ended_as("collapsed", RECORDS[0]), ended_as("diverged", RECORDS[1])
    assert any_failed(found(*both))


def test_what_a_failed_trial_had_reported_is_never_the_best_so_far() -> None:
    lucky = ended_as("collapsed", RECORDS[0], objective_value=0.999)
    assert "0.999" not in best_so_far([*RECORDS, lucky])
    assert best_so_far([lucky]) == ""
