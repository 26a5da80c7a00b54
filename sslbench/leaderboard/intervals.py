"""Means with 95 % intervals and paired differences, of resampled cells or of scores of donors or seeds.

Cells, donors or seeds that arms share are paired: every arm is resampled alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special  # scipy.stats takes a second to import

from sslbench.leaderboard.standard_errors import StandardError, standard_errors

N_RESAMPLES = 2000
LEVEL = 0.95
_ROUNDING = 1e-12  # scores that differ by less are the same
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
    by_seed: np.ndarray | None = None  # (n_seeds, n_donors), with `per_unit` as its mean
    seeds: tuple[int, ...] = ()  # (n_seeds,) the numbers of its rows


def resample_scores(
    by_seed: np.ndarray, *, mean: float, seeds: Sequence[int] | None = None
) -> ArmScores:
    """Return the scores of an arm from those of resampled cells (n_seeds, n_resamples); `mean` is that of all cells.

    The luck of the seeds is drawn anew for each resample, as often as it takes to have `N_RESAMPLES` draws.
    """
    n_times = max(1, N_RESAMPLES // by_seed.shape[1])
    tiled = np.tile(by_seed.T, (n_times, 1))
    return ArmScores(mean=mean, per_unit=with_seeds_resampled(tiled, seeds=seeds))


def mean_scores(by_seed: np.ndarray, *, seeds: Sequence[int] | None = None) -> ArmScores:
    """Return the scores of an arm from those of each seed and donor (n_seeds, n_donors); donors without any stay NaN.

    `seeds` are the numbers of the rows; without them seeds are numbered by their position.
    """
    of_donor = by_seed.mean(axis=0)
    return ArmScores(
        mean=float(np.nanmean(of_donor)),
        per_unit=of_donor,
        by_seed=by_seed,
        seeds=tuple(range(len(by_seed)) if seeds is None else seeds),
    )


def bootstrap_interval(scores: ArmScores) -> Estimate:
    """Return the interval of a mean: the central 95 % of its resampled values, centred on the mean."""
    return _bootstrap(scores.mean, scores.per_unit)


def bootstrap_difference(arm: ArmScores, other: ArmScores) -> Estimate:
    """Return arm − other with its paired bootstrap interval; identical predictions give exactly 0 to 0."""
    return _bootstrap(arm.mean - other.mean, arm.per_unit - other.per_unit)


def t_interval(scores: ArmScores) -> Estimate:
    """Return the t interval of a mean over donors or seeds; it is not known of fewer than two."""
    by_seed = () if scores.by_seed is None else (scores.by_seed,)
    return _t_interval(scores.mean, standard_errors(scores.per_unit, by_seed=by_seed))


def t_difference(arm: ArmScores, other: ArmScores) -> Estimate:
    """Return arm − other with its t interval, paired over the donors or seeds that both have."""
    differences = arm.per_unit - other.per_unit
    has_shared = bool(np.isfinite(differences).any())
    mean = float(np.nanmean(differences)) if has_shared else arm.mean - other.mean
    return _t_interval(mean, difference_errors(arm, other))


def difference_errors(arm: ArmScores, other: ArmScores) -> tuple[StandardError, ...]:
    """Return the standard errors of arm − other over donors or seeds, paired over both; none of fewer than two.

    Seeds are paired by their number, where both arms have the same ones; else the variances of their luck add up.
    """
    by_seed = [
        scores.by_seed[np.argsort(scores.seeds)]
        for scores in (arm, other)
        if scores.by_seed is not None
    ]
    if len(by_seed) == 2 and sorted(arm.seeds) == sorted(other.seeds):
        by_seed = [by_seed[0] - by_seed[1]]
    return standard_errors(arm.per_unit - other.per_unit, by_seed=by_seed)


def seeds_interval(scores: ArmScores) -> Estimate:
    """Return the t interval of a mean over seeds; it is not known of an arm that every seed gives the same score."""
    return _if_seeds_differ(t_interval(scores), scores.per_unit)


def seeds_difference(arm: ArmScores, other: ArmScores) -> Estimate:
    """Return arm − other with its t interval, paired over seeds; it is not known if every seed gives the same one."""
    return _if_seeds_differ(t_difference(arm, other), arm.per_unit - other.per_unit)


def seeds_differ(values: np.ndarray) -> bool:
    """Say whether scores (n_seeds,), NaN: none, differ by more than rounding."""
    known = values[np.isfinite(values)]
    return bool(len(known) and np.ptp(known) > _ROUNDING)


def draw_counts(generator: np.random.Generator, *, n_draws: int, n_resamples: int) -> np.ndarray:
    """Return how often each of `n_draws` things is drawn in `n_draws` draws, (n_resamples, n_draws)."""
    drawn = generator.integers(n_draws, size=(n_resamples, n_draws))
    drawn += np.arange(n_resamples)[:, None] * n_draws
    return np.bincount(drawn.ravel(), minlength=n_resamples * n_draws).reshape(n_resamples, n_draws)


def with_seeds_resampled(by_seed: np.ndarray, *, seeds: Sequence[int] | None = None) -> np.ndarray:
    """Return the mean over seeds (n_resamples,) of scores (n_resamples, n_seeds), with the luck of the seeds in it.

    A multiplier bootstrap (Wu 1986, doi 10.1214/aos/1176350142): every seed's deviation from the mean of the S seeds
    is multiplied by a normal draw and their sum divided by sqrt(S (S-1)), which makes its spread the standard error
    of the mean. Deviations are those of the seeds' means over all resamples: within a resample seeds differ by its
    cells too, whose luck is in the resampled mean already. The draws of a seed follow from its number alone (`seeds`;
    without them, from its position): arms are paired on the seeds that both have, whichever others they lost. One
    seed has no spread: the interval is that of the cells.
    """
    n_resamples, n_seeds = by_seed.shape
    by_seed = np.ascontiguousarray(by_seed)
    mean = by_seed.mean(axis=1)
    if n_seeds == 1:
        return np.asarray(mean)
    numbers = seeds if seeds is not None else range(n_seeds)
    luck = np.stack(
        [np.random.default_rng([SEED, n, 1]).standard_normal(n_resamples) for n in numbers], axis=1
    )
    of_seed = by_seed.mean(axis=0)
    moved = luck @ (of_seed - of_seed.mean())
    return np.asarray(mean + moved / np.sqrt(n_seeds * (n_seeds - 1)))


def _if_seeds_differ(estimate: Estimate, values: np.ndarray) -> Estimate:
    # Two runs that are the same by construction say nothing of how another would differ.
    if seeds_differ(values):
        return estimate
    return Estimate(mean=estimate.mean, low=-math.inf, high=math.inf)


def _bootstrap(mean: float, draws: np.ndarray) -> Estimate:
    # Scores of resampled cells are biased (of rare labels most); centring takes the bias out of the interval.
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(draws - draws.mean(), [tail, 1.0 - tail])
    return Estimate(mean=mean, low=mean + float(low), high=mean + float(high))


def _t_interval(mean: float, errors: tuple[StandardError, ...]) -> Estimate:
    upper = (1.0 + LEVEL) / 2.0
    reaches = [float(special.stdtrit(e.freedom, upper)) * e.value for e in errors]
    reach = max(reaches, default=math.inf)
    return Estimate(mean=mean, low=mean - reach, high=mean + reach)
