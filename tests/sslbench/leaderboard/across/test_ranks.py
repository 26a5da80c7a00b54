"""Mean ranks, win rates, what can be told apart and what one pair changes, against slow plain references."""

import math

import numpy as np
import pytest
from scipy import stats

from sslbench.leaderboard.across.complete import Block, largest_complete
from sslbench.leaderboard.across.pairs import pairs_of
from sslbench.leaderboard.across.ranks import (
    clustered_interval,
    pair_ranks,
    rank_methods,
    why_no_interval,
)
from sslbench.leaderboard.across.separation import friedman_p, separate
from sslbench.leaderboard.across.stability import agreement, leave_one_out
from sslbench.leaderboard.significance import holm
from tests.sslbench.leaderboard.across.fake_store import ranked

NAMES = ("masked", "byol", "supervised", "pca")


def block_of(scores: np.ndarray, *, tasks: int = 1) -> Block:
    """Return the block of scores (n_pairs, 4); a data set has `tasks` of them."""
    objectives = ["val/knn/macro_f1", "val/cross_modality/pearson_per_feature"]
    sweeps = [
        ranked(
            f"d{i // tasks:02d}",
            dict(zip(NAMES, map(float, row), strict=True)),
            objective=objectives[i % tasks],
        )
        for i, row in enumerate(scores)
    ]
    block = largest_complete(pairs_of(sweeps)[0])
    assert block is not None
    assert len(block.pairs) == len(scores)
    return block


def test_ranks_are_those_of_scipy_best_first_and_ties_share_the_mean() -> None:
    scores = np.random.default_rng(0).integers(0, 4, size=(20, 6)).astype(float)
    assert np.array_equal(pair_ranks(scores), stats.rankdata(-scores, axis=1))


def test_the_win_rate_is_the_share_of_the_others_that_are_worse_half_of_equal_ones() -> None:
    scores = np.random.default_rng(1).integers(0, 3, size=(6, 4)).astype(float)
    block = block_of(scores)
    for row in rank_methods(block):
        j, won = block.methods.index(row.method), []
        for own in block.scores:
            others = [own[i] for i in range(4) if i != j]
            won.append(sum(1.0 if own[j] > o else 0.5 if own[j] == o else 0.0 for o in others) / 3)
        assert row.wins.mean == pytest.approx(np.mean(won))


def test_methods_are_ordered_by_mean_rank_and_intervals_stay_where_ranks_can_be() -> None:
    rows = rank_methods(block_of(np.random.default_rng(2).random((5, 4))))
    means = [row.rank.mean for row in rows]
    assert means == sorted(means)
    assert sum(means) == pytest.approx(1 + 2 + 3 + 4)
    for row in rows:
        assert row.rank.low >= 1 or not row.rank.is_known
        assert row.wins.high <= 1 or not row.wins.is_known


def test_with_one_value_a_data_set_the_interval_is_the_ordinary_t_interval() -> None:
    values = np.random.default_rng(3).random(7)
    low, high = stats.t.interval(0.95, 6, loc=values.mean(), scale=stats.sem(values))
    found = clustered_interval(values, list("abcdefg"))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_values_of_one_data_set_are_no_more_than_one_voice() -> None:
    once = clustered_interval(np.array([1.0, 2.0, 4.0]), ["a", "b", "c"])
    thrice = clustered_interval(np.repeat([1.0, 2.0, 4.0], 3), list("aaabbbccc"))
    assert (thrice.mean, thrice.low, thrice.high) == pytest.approx((once.mean, once.low, once.high))


def test_at_three_to_five_data_sets_the_t_interval_covers_and_the_bootstrap_does_not() -> None:
    random = np.random.default_rng(4)
    level = [0.4, 0.2, 0.0, 0.0]
    truth = pair_ranks(random.normal(level, 0.5, size=(100_000, 4)))[:, 0].mean()
    for n in (3, 5):
        covered, resampled = [], []
        for _ in range(400):
            ranks = pair_ranks(random.normal(level, 0.5, size=(n, 4)))[:, 0]
            found = clustered_interval(ranks, [str(i) for i in range(n)])
            covered.append(not found.is_known or found.low <= truth <= found.high)
            drawn = random.choice(ranks, size=(200, n)).mean(axis=1)
            low, high = np.quantile(drawn, [0.025, 0.975])
            resampled.append(low <= truth <= high)
        assert np.mean(covered) >= 0.92
        assert np.mean(resampled) < 0.9


def test_below_three_data_sets_there_is_no_interval_and_the_reason_is_said() -> None:
    block = block_of(np.random.default_rng(5).random((4, 4)), tasks=2)
    assert not any(row.rank.is_known for row in rank_methods(block))
    assert "4 pairs of 2 data sets" in (why_no_interval(block) or "")
    assert why_no_interval(block_of(np.random.default_rng(5).random((3, 4)))) is None


def test_ranks_that_never_vary_have_no_interval() -> None:
    found = clustered_interval(np.array([1.0, 1.0, 1.0]), ["a", "b", "c"])
    assert math.isinf(found.low)


def test_friedmans_p_is_that_of_scipy_with_and_without_ties() -> None:
    random = np.random.default_rng(6)
    for decimals in (9, 0):
        scores = np.round(random.normal(size=(8, 4)), decimals)
        assert friedman_p(scores) == pytest.approx(stats.friedmanchisquare(*scores.T).pvalue)
    assert friedman_p(np.ones((5, 3))) == 1.0


def test_the_diagram_is_hidden_with_a_reason() -> None:
    random = np.random.default_rng(7)
    assert separate(block_of(random.random((4, 4)))) == "from 5 pairs on, here are 4"
    assert "not independent" in str(separate(block_of(random.random((6, 4)), tasks=2)))


def test_five_pairs_are_too_few_for_any_two_to_be_told_apart_whatever_the_scores() -> None:
    found = separate(block_of(np.tile([0.9, 0.7, 0.5, 0.3], (5, 1))))
    assert not isinstance(found, str)
    assert found.friedman_p < 0.01
    assert found.smallest_p == 0.0625
    assert found.p == {}
    assert found.groups == (found.methods,)


def test_methods_that_always_differ_are_told_apart_and_those_that_do_not_share_a_bar() -> None:
    random = np.random.default_rng(8)
    scores = np.array([0.9, 0.899, 0.5, 0.1]) + random.normal(0, 0.01, size=(12, 4))
    found = separate(block_of(scores))
    assert not isinstance(found, str)
    raw = {}
    order = [f"{name}/mlp" for name in NAMES]
    for a, b in found.p:
        first, second = scores[:, order.index(a)], scores[:, order.index(b)]
        raw[a, b] = stats.wilcoxon(first, second).pvalue
    assert list(found.p.values()) == pytest.approx([holm(raw)[two] for two in found.p])
    assert found.groups == (found.methods[:2],)
    assert set(found.groups[0]) == {"masked/mlp", "byol/mlp"}


def test_kendalls_tau_is_that_of_scipy() -> None:
    random = np.random.default_rng(9)
    for _ in range(20):
        one, other = random.integers(0, 4, size=(2, 6)).astype(float)
        expected = stats.kendalltau(one, other).statistic
        if not math.isnan(expected):
            assert agreement(one, other) == pytest.approx(expected)
    assert agreement(np.zeros(3), np.zeros(3)) == 1.0
    assert agreement(np.zeros(3), np.arange(3)) == 0.0


def test_leaving_a_pair_out_says_who_changes_place_without_which() -> None:
    scores = np.array([[0.9, 0.8, 0.7, 0.1], [0.9, 0.8, 0.7, 0.1], [0.1, 0.9, 0.8, 0.2]])
    found = leave_one_out(block_of(scores))
    assert not isinstance(found, str)
    assert found.highest_tau <= 1.0
    (move,) = [move for move in found.moves if move.startswith("without d02")]
    assert move == "without d02: macro F1: byol/mlp 1 → 2, masked/mlp 2 → 1"
    assert leave_one_out(block_of(scores[:2])) == "from 3 pairs on, here are 2"


def test_an_order_that_no_pair_changes_is_said_to_be_the_same() -> None:
    found = leave_one_out(block_of(np.tile([0.9, 0.7, 0.5, 0.3], (4, 1))))
    assert not isinstance(found, str)
    assert (found.lowest_tau, found.highest_tau, found.moves) == (1.0, 1.0, ())
