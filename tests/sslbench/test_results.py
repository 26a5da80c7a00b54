"""The grammar of metric keys, the record of a trial, and which trial of an arm is chosen."""

import itertools
import math

import pytest
from pydantic import ValidationError

from sslbench.errors import ConfigError
from sslbench.results import (
    CurvePoint,
    MetricKey,
    TrialRecord,
    TrialResult,
    chosen_trial,
    scored_task,
)


def record(uid, value, *, arm="mae", stage="search", outcome="finished", ended=0):
    return TrialRecord(
        uid=uid,
        arm=arm,
        stage=stage,
        attempt=1,
        outcome=outcome,
        params={},
        config={},
        recipe="r",
        dataset="d",
        data_fingerprint="f",
        objective="val/knn/macro_f1",
        objective_value=value,
        provenance={},
        started_unix_ms=0,
        ended_unix_ms=ended,
    )


def point(updates, value=0.5):
    return CurvePoint(updates=updates, seconds=0.0, unix_ms=0, values={"val/knn/macro_f1": value})


def test_a_metric_key_has_three_parts_and_comes_back_as_written():
    key = MetricKey.parse("val/linear_probe/macro_f1")
    assert key == ("val", "linear_probe", "macro_f1")
    assert str(key) == "val/linear_probe/macro_f1"


def test_a_score_of_the_projector_has_a_name_of_its_own_that_leads_back_to_its_task():
    assert (
        scored_task("linear_probe") == scored_task("linear_probe", of="encoder") == "linear_probe"
    )
    key = MetricKey.parse(f"val/{scored_task('linear_probe', of='projector')}/macro_f1")
    assert str(key) == "val/linear_probe_projector/macro_f1"
    assert (key.evaluation, key.of_projector) == ("linear_probe", True)
    plain = MetricKey.parse("val/linear_probe/macro_f1")
    assert (plain.evaluation, plain.of_projector) == ("linear_probe", False)


def test_a_failed_trial_has_no_score_whatever_it_had_reported():
    assert record("a", 0.9, outcome="failed").score is None
    assert record("a", 0.9, outcome="stopped").score == 0.9
    assert record("a", None).score is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "macro_f1",
        "val/knn",
        "valid/knn/f1",
        "val/knn/f1/x",
        "val/KNN/f1",
        "val//f1",
        "val/knn/f1 ",
    ],
)
def test_anything_else_is_no_metric_key(text):
    with pytest.raises(ConfigError, match="split/task/metric"):
        MetricKey.parse(text)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_scores_and_curves_hold_finite_numbers_only(value):
    with pytest.raises(ValidationError):
        point(1, value)
    with pytest.raises(ValidationError):
        record("a", value)


def test_reports_are_the_results_curve_or_else_the_records_own():
    finished = TrialResult(
        scores={},
        best_updates=2,
        updates=2,
        seconds=1,
        curve=(point(1), point(2)),
        n_parameters=1,
        regime="untrained",
    )
    base = record("a", 0.1)
    assert base.model_copy(update={"result": finished}).reports == (point(1), point(2))
    assert base.model_copy(update={"curve": (point(3),)}).reports == (point(3),)


def test_what_a_trial_had_by_a_rung_is_its_best_up_to_the_first_report_at_or_after_it():
    one = record("a", 0.9, outcome="stopped").model_copy(
        update={
            "curve": tuple(point(u, v) for u, v in ((0, 0.5), (40, 0.4), (80, 0.7), (120, 0.9)))
        }
    )
    assert [one.best_by(u) for u in (0, 10, 40, 41, 80, 100, 500)] == [
        0.5,
        0.5,
        0.5,
        0.7,
        0.7,
        0.9,
        0.9,
    ]
    assert one.model_copy(update={"outcome": "failed"}).best_by(40) is None
    assert one.model_copy(update={"curve": ()}).best_by(40) is None


def test_a_record_comes_back_from_its_json_unchanged():
    first = record("a", 0.25)
    assert TrialRecord.model_validate_json(first.model_dump_json()) == first


def test_the_best_finished_search_trial_is_chosen():
    records = [record("a", 0.1), record("b", 0.9), record("c", 0.5)]
    assert chosen_trial(records, "mae").uid == "b"


@pytest.mark.parametrize(
    "other",
    [
        record("x", 1.0, outcome="failed"),
        record("x", 1.0, stage="confirm"),
        record("x", 1.0, arm="pca"),
        record("x", None),
    ],
)
def test_failed_confirm_unscored_and_other_arms_trials_are_never_chosen(other):
    assert chosen_trial([other, record("a", 0.1)], "mae").uid == "a"
    assert chosen_trial([other], "mae") is None


def test_a_stopped_trial_is_chosen_only_where_none_has_finished():
    stopped = [record("x", 0.7, outcome="stopped"), record("y", 0.8, outcome="stopped")]
    assert chosen_trial([*stopped, record("a", 0.1)], "mae").uid == "a"
    assert chosen_trial([*stopped, record("f", 0.9, outcome="failed")], "mae").uid == "y"


def test_of_equal_trials_the_earliest_ended_is_chosen_in_whatever_order_they_come():
    records = [record("c", 0.5, ended=3), record("b", 0.5, ended=2), record("a", 0.5, ended=2)]
    for order in itertools.permutations(records):
        assert chosen_trial(order, "mae").uid == "a"
