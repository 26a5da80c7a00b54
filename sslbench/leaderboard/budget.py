"""What a larger search would bring: the best validation score to be expected of n trials, n up to those there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from sslbench.leaderboard.intervals import LEVEL, SEED

MAX_POINTS = 48  # numbers of trials at which a curve is known
_N_RESAMPLES = 500


@dataclass(frozen=True, kw_only=True)
class BestOfTrials:
    """The expected best score of `n_trials` trials and its interval, all (n_points,)."""

    n_trials: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def at(self, n: int) -> float:
        """Return the expected best of `n` trials, between two known numbers by straight line."""
        return float(np.interp(n, self.n_trials, self.mean))


def best_of_trials(scores: Sequence[float]) -> BestOfTrials:
    """Return the expected maximum of n of these scores, drawn without replacement, for n from 1 to all of them.

    Introduced by Dodge et al. 2019 (doi 10.18653/v1/D19-1224), whose draws are with replacement and so too low; this
    is the unbiased estimator of Tang et al. 2020 (doi 10.18653/v1/2020.acl-main.246): the mean of the best over
    all subsets of n trials. The interval is the central 95 % over trials drawn anew with replacement; it cannot reach
    above the best score there is, so it is too narrow where n comes near all of them.

    Raises
    ------
    ValueError
        If there is no score.
    """
    if not len(scores):
        raise ValueError("the expected best of trials needs at least one score, got none")
    values = np.asarray(scores, dtype=float)
    n_trials = _numbers(len(values))
    weights = _weights(len(values), n_trials)
    generator = np.random.default_rng(SEED)
    drawn = [
        weights @ np.sort(generator.choice(values, size=len(values))) for _ in range(_N_RESAMPLES)
    ]
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(drawn, [tail, 1.0 - tail], axis=0)
    return BestOfTrials(n_trials=n_trials, mean=weights @ np.sort(values), low=low, high=high)


def _numbers(n_scores: int) -> np.ndarray:
    return np.unique(np.linspace(1, n_scores, min(n_scores, MAX_POINTS)).round().astype(int))


def _weights(n_scores: int, n_trials: np.ndarray) -> np.ndarray:
    """Return the chance that the i-th lowest of all scores is the best of n of them, (n_points, n_scores)."""
    position = np.arange(1, n_scores + 1)
    n = n_trials[:, None]
    possible = position >= n  # the best of n has n - 1 below it
    below = np.where(possible, position - 1, n - 1)
    logarithm = _log_choose(below, n - 1) - _log_choose(np.asarray(n_scores), n)
    return np.where(possible, np.exp(logarithm), 0.0)


def _log_choose(of: np.ndarray, n: np.ndarray) -> np.ndarray:
    return np.asarray(gammaln(of + 1) - gammaln(n + 1) - gammaln(of - n + 1))
