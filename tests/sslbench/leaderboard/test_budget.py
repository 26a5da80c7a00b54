"""The expected best of n trials, against every subset of them."""

from itertools import combinations, product

import numpy as np
import pytest

from sslbench.leaderboard.budget import MAX_POINTS, best_of_trials


def mean_over_subsets(scores, n):
    """The definition: the mean of the best over all subsets of n trials."""
    return np.mean([max(subset) for subset in combinations(scores, n)])


@pytest.mark.parametrize("seed", range(3))
def test_the_curve_is_the_mean_of_the_best_over_all_subsets(seed):
    scores = np.random.default_rng(seed).normal(size=9).round(1).tolist()  # with ties
    curve = best_of_trials(scores)
    assert curve.n_trials.tolist() == list(range(1, 10))
    assert curve.mean == pytest.approx([mean_over_subsets(scores, n) for n in range(1, 10)])


def test_it_is_unbiased_where_draws_with_replacement_are_too_low():
    """Over every sample of 3 from a population of 4 values, its mean is the true expected best of 2."""
    population = [0.0, 1.0, 2.0, 5.0]
    truth = np.mean([max(pair) for pair in product(population, repeat=2)])
    samples = list(product(population, repeat=3))
    ours = np.mean([best_of_trials(s).mean[1] for s in samples])
    with_replacement = np.mean([max(pair) for s in samples for pair in product(s, repeat=2)])
    assert ours == pytest.approx(truth)
    assert with_replacement < truth - 0.1


def test_it_begins_at_the_mean_ends_at_the_best_and_never_falls():
    scores = np.random.default_rng(0).uniform(size=200)
    curve = best_of_trials(scores)
    assert len(curve.n_trials) == MAX_POINTS
    assert curve.mean[0] == pytest.approx(scores.mean())
    assert curve.mean[-1] == pytest.approx(scores.max())
    assert (np.diff(curve.mean) >= -1e-12).all()
    assert (curve.low <= curve.mean + 1e-12).all()
    assert (curve.high <= scores.max() + 1e-12).all()


def test_the_band_at_one_trial_is_the_interval_of_a_mean():
    scores = np.random.default_rng(1).normal(size=60)
    curve = best_of_trials(scores)
    half = 1.96 * scores.std() / np.sqrt(60)
    assert curve.low[0] == pytest.approx(scores.mean() - half, abs=0.15 * half)
    assert curve.high[0] == pytest.approx(scores.mean() + half, abs=0.15 * half)


def test_between_known_numbers_of_trials_the_curve_is_straight():
    curve = best_of_trials([0.1, 0.5, 0.2])
    assert curve.at(2) == pytest.approx(mean_over_subsets([0.1, 0.5, 0.2], 2))


def test_without_scores_there_is_no_curve():
    with pytest.raises(ValueError, match="at least one score"):
        best_of_trials([])
