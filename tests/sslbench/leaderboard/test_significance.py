"""p of paired differences agrees with their intervals, and Holm's correction with the closed test it abbreviates."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sslbench.leaderboard.intervals import ArmScores, bootstrap_difference, t_difference
from sslbench.leaderboard.significance import bootstrap_p, holm, p_words, seeds_p, t_p


def arm(values: np.ndarray, *, mean: float | None = None) -> ArmScores:
    return ArmScores(mean=float(values.mean()) if mean is None else mean, per_unit=values)


def pair(seed: int, *, n: int, gap: float) -> tuple[ArmScores, ArmScores]:
    generator = np.random.default_rng(seed)
    shared = generator.normal(0.7, 0.05, n)
    first = shared + gap + generator.normal(0, 0.02, n)
    return arm(first), arm(shared + generator.normal(0, 0.02, n))


@pytest.mark.parametrize("gap", [-0.05, -0.01, 0.0, 0.02])
def test_p_of_resamples_counts_those_beyond_zero_one_after_the_other(gap: float) -> None:
    first, second = pair(1, n=200, gap=gap)
    difference = first.mean - second.mean
    draws = [a - b for a, b in zip(first.per_unit, second.per_unit)]
    centred = [draw - sum(draws) / len(draws) + difference for draw in draws]
    below, above = sum(d <= 0 for d in centred), sum(d >= 0 for d in centred)
    assert bootstrap_p(first, second) == min(1.0, 2 * (min(below, above) + 1) / (len(draws) + 1))


def test_p_of_resamples_is_never_zero_and_of_the_same_predictions_one() -> None:
    first, second = pair(2, n=1999, gap=5.0)
    assert bootstrap_p(first, second) == 2 / 2000
    assert bootstrap_p(second, first) == 2 / 2000
    assert bootstrap_p(first, first) == 1.0


def test_what_is_biased_alike_in_every_resample_moves_no_p() -> None:
    """Resampled scores of rare labels are too high; the interval is centred, and so is p."""
    first, second = pair(3, n=400, gap=0.01)
    biased = ArmScores(mean=first.mean, per_unit=first.per_unit + 0.3)
    assert bootstrap_p(biased, second) == pytest.approx(bootstrap_p(first, second), abs=0.01)


@pytest.mark.parametrize("seed", range(30))
def test_p_and_interval_of_resamples_say_the_same(seed: int) -> None:
    first, second = pair(seed, n=2000, gap=0.0)
    moved = ArmScores(mean=second.mean + 0.055 * seed / 30, per_unit=second.per_unit)
    p = bootstrap_p(first, moved)
    if abs(p - 0.05) > 0.002:  # at the very bound one resample more or less decides
        assert (p > 0.05) == bootstrap_difference(first, moved).spans_zero


@pytest.mark.parametrize("n", [2, 3, 7])
@pytest.mark.parametrize("gap", [0.0, 0.03, -0.2])
def test_p_over_donors_is_that_of_the_paired_t_test_of_scipy(n: int, gap: float) -> None:
    first, second = pair(n, n=n, gap=gap)
    p = t_p(first, second)
    assert p == pytest.approx(stats.ttest_rel(first.per_unit, second.per_unit).pvalue)
    assert (p > 0.05) == t_difference(first, second).spans_zero


def test_donors_that_one_arm_lacks_are_left_out_and_one_pair_says_nothing() -> None:
    first, second = pair(4, n=5, gap=0.02)
    gaps = np.array([np.nan, 0, 0, np.nan, 0])
    kept = [1, 2, 4]
    expected = stats.ttest_rel(first.per_unit[kept], second.per_unit[kept]).pvalue
    assert t_p(arm(first.per_unit + gaps, mean=0.7), second) == pytest.approx(expected)
    alone = np.array([0.5, np.nan, np.nan, np.nan, np.nan])
    assert t_p(arm(alone, mean=0.5), second) is None


def test_the_same_scores_of_every_donor_have_p_one_and_of_every_seed_none() -> None:
    first = arm(np.array([0.5, 0.6, 0.7]))
    assert t_p(first, first) == 1.0
    assert seeds_p(first, first) is None
    assert seeds_p(arm(np.full(4, 0.7)), arm(np.full(4, 0.3))) is None
    varied = arm(np.array([0.3, 0.31, 0.29, 0.3]))
    assert seeds_p(arm(np.full(4, 0.7)), varied) == t_p(arm(np.full(4, 0.7)), varied) < 0.05


def closed_test(p: dict[str, float]) -> dict[str, float]:
    """Of each hypothesis the largest Bonferroni p of all sets of hypotheses that it is in (Marcus et al. 1976)."""
    sets = [s for n in range(1, len(p) + 1) for s in itertools.combinations(p, n)]
    return {
        name: max(min(1.0, len(s) * min(p[other] for other in s)) for s in sets if name in s)
        for name in p
    }


@given(st.lists(st.floats(0, 1), max_size=6))
@settings(max_examples=200, deadline=None)
def test_holm_is_the_closed_test_of_bonferroni(values: list[float]) -> None:
    p = {f"arm{i}": value for i, value in enumerate(values)}
    assert holm(p) == pytest.approx(closed_test(p))
    assert list(holm(p)) == list(p)


def test_holm_by_hand() -> None:
    assert holm({"a": 0.04, "b": 0.01, "c": 0.03}) == pytest.approx({"a": 0.06, "b": 0.03, "c": 0.06})  # fmt: skip
    assert holm({}) == {}


def test_p_is_written_with_three_digits_and_never_as_zero() -> None:
    assert [p_words(p) for p in (None, 0.0, 0.0004, 0.0123, 1.0)] == ["–", "<0.001", "<0.001", "0.012", "1.000"]  # fmt: skip
