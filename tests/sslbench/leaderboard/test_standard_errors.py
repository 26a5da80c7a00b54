import math

import numpy as np
import pytest
from scipy import stats

from sslbench.leaderboard.intervals import (
    ArmScores,
    difference_errors,
    mean_scores,
    t_difference,
    t_interval,
)
from sslbench.leaderboard.standard_errors import seed_variance, standard_errors

Bounds = tuple[float, float]


def crossed_interval(table: np.ndarray) -> Bounds:
    """The interval of a mean of scores (n_seeds, n_donors), cell by cell, from the two-way table of the analysis of variance."""
    n_seeds, n_donors = table.shape
    grand = sum(sum(row) for row in table) / (n_seeds * n_donors)
    seeds = [sum(row) / n_donors for row in table]
    donors = [sum(column) / n_seeds for column in table.T]
    within_donors = n_seeds * sum((d - grand) ** 2 for d in donors) / (n_donors - 1)
    of_seeds = n_donors * sum((s - grand) ** 2 for s in seeds) / (n_seeds - 1)
    rest = 0.0
    for i in range(n_seeds):
        for j in range(n_donors):
            rest += (table[i, j] - seeds[i] - donors[j] + grand) ** 2
    rest /= (n_seeds - 1) * (n_donors - 1)
    of_donors, luck = within_donors, max(0.0, of_seeds - rest)
    total = of_donors + luck
    freedom = total**2 / (of_donors**2 / (n_donors - 1) + luck**2 / (n_seeds - 1))
    wide = stats.t.ppf(0.975, freedom) * math.sqrt(total / (n_seeds * n_donors))
    plain = stats.t.ppf(0.975, n_donors - 1) * math.sqrt(of_donors / (n_seeds * n_donors))
    return grand - max(wide, plain), grand + max(wide, plain)


def scores(seed: int, *, n_seeds: int = 5, n_donors: int = 6, luck: float = 0.02) -> np.ndarray:
    generator = np.random.default_rng(seed)
    table = 0.8 + generator.normal(0, 0.03, n_donors) + generator.normal(0, luck, (n_seeds, 1))
    return table + generator.normal(0, 0.01, (n_seeds, n_donors))


@pytest.mark.parametrize("n_seeds, n_donors", [(5, 6), (3, 20), (2, 2), (5, 3)])
@pytest.mark.parametrize("luck", [0.0, 0.02, 0.1])
def test_the_interval_of_donors_and_seeds_is_that_of_the_analysis_of_variance(
    n_seeds: int, n_donors: int, luck: float
) -> None:
    for seed in range(8):
        table = scores(seed, n_seeds=n_seeds, n_donors=n_donors, luck=luck)
        found = t_interval(mean_scores(table))
        assert (found.low, found.high) == pytest.approx(crossed_interval(table))


def test_a_difference_is_paired_over_donors_and_seeds() -> None:
    first, second = scores(1), scores(2)
    shared = np.random.default_rng(3).normal(0, 0.1, (5, 1))  # the same seeds are lucky in both
    found = t_difference(mean_scores(first + shared), mean_scores(second + shared))
    assert (found.low, found.high) == pytest.approx(crossed_interval(first - second))


def test_arms_with_unlike_numbers_of_seeds_add_up_the_luck_of_both() -> None:
    first, second = scores(1, luck=0.05), scores(2, n_seeds=3, luck=0.05)
    over_donors, over_both = difference_errors(mean_scores(first), mean_scores(second))
    luck = seed_variance(first) + seed_variance(second)
    assert over_both.value == pytest.approx(math.sqrt(over_donors.value**2 + luck))


def test_seeds_are_paired_by_their_number_and_not_by_their_position() -> None:
    first, second = scores(1, luck=0.05), scores(2, luck=0.05)
    numbered = mean_scores(first, seeds=(11, 12, 13, 14, 15))
    order = [3, 0, 4, 1, 2]
    shuffled = mean_scores(second[order], seeds=[(11, 12, 13, 14, 15)[i] for i in order])
    in_order = mean_scores(second, seeds=(11, 12, 13, 14, 15))
    found, expected = (difference_errors(numbered, other)[1] for other in (shuffled, in_order))
    assert found == pytest.approx(expected)


def test_arms_that_lost_different_seeds_add_up_the_luck_of_both() -> None:
    """Row for row they would be as many, and each difference one of two seeds that share nothing."""
    first, second = scores(1, n_seeds=4, luck=0.05), scores(2, n_seeds=4, luck=0.05)
    pair = mean_scores(first, seeds=(1, 2, 3, 4)), mean_scores(second, seeds=(2, 3, 4, 5))
    over_donors, over_both = difference_errors(*pair)
    luck = seed_variance(first) + seed_variance(second)
    assert over_both.value == pytest.approx(math.sqrt(over_donors.value**2 + luck))


def test_without_luck_of_seeds_the_interval_is_that_of_the_donors_alone() -> None:
    table = np.tile(scores(4)[0], (5, 1))
    low, high = stats.ttest_1samp(table[0], 0.0).confidence_interval(0.95)
    found = t_interval(mean_scores(table))
    assert (found.low, found.high) == pytest.approx((low, high))
    once = t_interval(mean_scores(table[:1]))
    assert (once.low, once.high) == pytest.approx((low, high))


def test_an_arm_does_not_differ_from_itself() -> None:
    arm = mean_scores(scores(5))
    found = t_difference(arm, arm)
    assert (found.mean, found.low, found.high) == (0.0, 0.0, 0.0)


def test_donors_without_a_score_count_neither_for_donors_nor_for_seeds() -> None:
    table = scores(6)
    holed = np.insert(table, 2, np.nan, axis=1)
    found, known = t_interval(mean_scores(holed)), t_interval(mean_scores(table))
    assert (found.low, found.high) == pytest.approx((known.low, known.high))


def test_there_is_no_standard_error_of_one_unit() -> None:
    assert standard_errors(np.array([0.8, np.nan])) == ()
    assert not t_interval(ArmScores(mean=0.8, per_unit=np.array([0.8]))).is_known
