"""Means with 95 % intervals and paired differences, of resampled cells or of scores of donors or seeds.

Cells, donors or seeds that arms share are paired: every arm is resampled alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special  # scipy.stats takes a second to import

N_RESAMPLES = 2000
LEVEL = 0.95
SEED = 20240913  # any constant: two people with the same records must see the same interval


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean and its 95 % interval; infinite bounds where nothing is known of it."""

    mean: float
    low: float
    high: float

    @property
    def spans_zero(self) -> bool:
        """Whether the interval holds 0: as a difference, a tie."""
        return self.low <= 0.0 <= self.high

    @property
    def is_known(self) -> bool:
        """Whether there is an interval: not of a single seed where seeds are all there is."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def within(self, low: float, high: float) -> Estimate:
        """Return the estimate cut to the range of its metric; an interval that is not known stays unknown."""
        if not self.is_known:
            return self
        return Estimate(mean=self.mean, low=max(self.low, low), high=min(self.high, high))


@dataclass(frozen=True, kw_only=True)
class ArmScores:
    """One arm under one protocol: its mean and the draws or scores that its interval is made of."""

    mean: float
    per_unit: np.ndarray  # (n_resamples,) resampled means, or scores (n_donors,) or (n_seeds,), NaN: none; aligned between arms


def resample_scores(by_seed: np.ndarray, *, mean: float) -> ArmScores:
    """Return the scores of an arm from those of resampled cells (n_seeds, n_resamples); `mean` is that of all cells.

    The luck of the seeds is drawn anew for each resample, as often as it takes to have `N_RESAMPLES` draws.
    """
    n_times = max(1, N_RESAMPLES // by_seed.shape[1])
    return ArmScores(mean=mean, per_unit=with_seeds_resampled(np.tile(by_seed.T, (n_times, 1))))


def mean_scores(by_seed: np.ndarray) -> ArmScores:
    """Return the scores of an arm from those of each seed and donor (n_seeds, n_donors); donors without any stay NaN."""
    of_donor = by_seed.mean(axis=0)
    return ArmScores(mean=float(np.nanmean(of_donor)), per_unit=of_donor)


def bootstrap_interval(scores: ArmScores) -> Estimate:
    """Return the interval of a mean: the central 95 % of its resampled values, centred on the mean."""
    return _bootstrap(scores.mean, scores.per_unit)


def bootstrap_difference(arm: ArmScores, other: ArmScores) -> Estimate:
    """Return arm − other with its paired bootstrap interval; identical predictions give exactly 0 to 0."""
    return _bootstrap(arm.mean - other.mean, arm.per_unit - other.per_unit)


def t_interval(scores: ArmScores) -> Estimate:
    """Return the t interval of a mean over donors or seeds; it is not known of fewer than two."""
    return _t_interval(scores.mean, scores.per_unit)


def t_difference(arm: ArmScores, other: ArmScores) -> Estimate:
    """Return arm − other with its t interval, paired over the donors or seeds that both have."""
    differences = arm.per_unit - other.per_unit
    has_shared = bool(np.isfinite(differences).any())
    mean = float(np.nanmean(differences)) if has_shared else arm.mean - other.mean
    return _t_interval(mean, differences)


def draw_counts(generator: np.random.Generator, *, n_draws: int, n_resamples: int) -> np.ndarray:
    """Return how often each of `n_draws` things is drawn in `n_draws` draws, (n_resamples, n_draws)."""
    drawn = generator.integers(n_draws, size=(n_resamples, n_draws))
    drawn += np.arange(n_resamples)[:, None] * n_draws
    return np.bincount(drawn.ravel(), minlength=n_resamples * n_draws).reshape(n_resamples, n_draws)


def with_seeds_resampled(by_seed: np.ndarray) -> np.ndarray:
    """Return the mean over resampled seeds (n_resamples,) of scores (n_resamples, n_seeds).

    Resampling S values understates the variance of their mean by (S-1)/S, which matters at 3 or 5 seeds, so
    the seeds' part is widened by sqrt(S/(S-1)). One seed has no spread: the interval is that of the cells.
    """
    n_resamples, n_seeds = by_seed.shape
    mean = by_seed.mean(axis=1)
    if n_seeds == 1:
        return np.asarray(mean)
    generator = np.random.default_rng([SEED, n_seeds, 1])
    counts = draw_counts(generator, n_draws=n_seeds, n_resamples=n_resamples)
    drawn = (by_seed * counts).sum(axis=1) / n_seeds
    return np.asarray(mean + (drawn - mean) * np.sqrt(n_seeds / (n_seeds - 1)))


def _bootstrap(mean: float, draws: np.ndarray) -> Estimate:
    # Scores of resampled cells are biased (of rare labels most); centring takes the bias out of the interval.
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(draws - draws.mean(), [tail, 1.0 - tail])
    return Estimate(mean=mean, low=mean + float(low), high=mean + float(high))


def _t_interval(mean: float, values: np.ndarray) -> Estimate:
    known = values[np.isfinite(values)]
    n = len(known)
    if n < 2:
        return Estimate(mean=mean, low=-math.inf, high=math.inf)
    reach = float(special.stdtrit(n - 1, (1.0 + LEVEL) / 2.0) * known.std(ddof=1) / np.sqrt(n))
    return Estimate(mean=mean, low=mean - reach, high=mean + reach)
