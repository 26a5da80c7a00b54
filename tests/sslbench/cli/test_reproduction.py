"""What counts as the same scores, and what is said of two runs that differ."""

from __future__ import annotations

import pytest

from sslbench.cli.reproduction import TOLERANCE, compared, other_circumstances
from sslbench.results import KeptEncoder, TrialRecord, TrialResult
from tests.sslbench.leaderboard.fake_sweep import MAE, fake_sweep

(RECORD, *_) = [r for r in fake_sweep([MAE]).records if r.stage == "confirm"]
assert RECORD.result is not None
RESULT = RECORD.result
NAMES = sorted(RESULT.scores)


def scored(**changes: float) -> TrialResult:
    return RESULT.model_copy(update={"scores": {**RESULT.scores, **changes}})


def moved(name: str, by: float) -> TrialResult:
    return scored(**{name: RESULT.scores[name] + by})


def test_the_same_scores_are_bit_equal() -> None:
    found = compared(RESULT, scored())
    assert (found.outcome, found.n_scores, found.differences) == ("bit-equal", len(NAMES), ())


@pytest.mark.parametrize("by, outcome", [
    (1e-12, "within tolerance"), (-0.9 * TOLERANCE, "within tolerance"),
    (1.1 * TOLERANCE, "different"), (-0.1, "different"),
])  # fmt: skip
def test_the_smallest_difference_is_seen_and_the_tolerance_decides(by: float, outcome: str) -> None:
    found = compared(RESULT, moved(NAMES[0], by))
    assert found.outcome == outcome
    (difference,) = found.differences
    assert difference.name == NAMES[0]
    assert difference.size == pytest.approx(abs(by), rel=1e-3)


def test_the_largest_difference_is_first() -> None:
    changes = {name: RESULT.scores[name] + 0.01 * i for i, name in enumerate(NAMES)}
    found = compared(RESULT, scored(**changes))
    assert [d.name for d in found.differences] == NAMES[:0:-1]


def test_a_score_that_only_one_of_them_has_is_a_difference() -> None:
    fewer = {k: v for k, v in RESULT.scores.items() if k != NAMES[1]}
    for one, other in ((RESULT.scores, fewer), (fewer, RESULT.scores)):
        results = [RESULT.model_copy(update={"scores": scores}) for scores in (one, other)]
        found = compared(*results)
        assert found.outcome == "different"
        assert [d.name for d in found.differences] == [NAMES[1]]


def test_it_is_said_whether_the_encoders_are_the_same() -> None:
    def with_weights(weights: str) -> TrialResult:
        kept = KeptEncoder(pretraining=0, updates=10, weights=weights)
        return RESULT.model_copy(update={"encoders": {"1": kept}})

    assert compared(RESULT, RESULT).same_weights is None
    assert compared(with_weights("a"), with_weights("a")).same_weights is True
    assert compared(with_weights("a"), with_weights("b")).same_weights is False


def test_what_differs_between_the_runs_is_named_and_what_is_equal_is_not() -> None:
    made = {"torch": "2.12", "numpy": "2.0", "commit": "aaa", "threads": "1", "device": "cuda H100"}
    record = with_provenance(made, {"knn": "1"})
    now = {"torch": "2.13", "numpy": "2.0", "commit": "bbb", "threads": "1", "device": "cpu AVX2", "task knn": "2"}  # fmt: skip
    found = {d.name: (d.then, d.now) for d in other_circumstances(record, now)}
    assert found == {
        "torch": ("2.12", "2.13"),
        "commit": ("aaa", "bbb"),
        "device": ("cuda H100", "cpu AVX2"),
        "task knn": ("1", "2"),
    }


def test_what_was_not_recorded_is_said_to_be_unknown() -> None:
    found = {d.name: d.then for d in other_circumstances(with_provenance({}, {}), {"threads": "2", "task knn": "1"})}  # fmt: skip
    assert found == {"threads": "not recorded"}


def with_provenance(made: dict[str, str], versions: dict[str, str]) -> TrialRecord:
    return RECORD.model_copy(update={"provenance": made, "metric_versions": versions})
