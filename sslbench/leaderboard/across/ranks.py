"""Mean rank and win rate of methods over pairs, with intervals over data sets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from sslbench.leaderboard.across.complete import Block
from sslbench.leaderboard.intervals import LEVEL, Estimate
from sslbench.results import Regime

MIN_DATASETS = 3  # fewer give no interval


@dataclass(frozen=True, kw_only=True)
class MethodRank:
    """How one method stands on the pairs of a block."""

    method: str
    regime: Regime
    rank: Estimate  # mean over the pairs; 1 is best
    wins: Estimate  # mean share of the other methods with a lower test score, of equal ones half; in [0, 1]


def rank_methods(block: Block) -> tuple[MethodRank, ...]:
    """Return the methods, best mean rank first; intervals are unknown below three data sets."""
    ranks = pair_ranks(block.scores)
    wins = (len(block.methods) - ranks) / (len(block.methods) - 1)
    order = sorted(range(len(block.methods)), key=lambda j: (ranks[:, j].mean(), block.methods[j]))
    return tuple(
        MethodRank(
            method=block.methods[j],
            regime=block.pairs[0].entries[block.methods[j]].regime,
            rank=clustered_interval(ranks[:, j], block.datasets).within(1, len(block.methods)),
            wins=clustered_interval(wins[:, j], block.datasets).within(0, 1),
        )
        for j in order
    )


def why_no_interval(block: Block) -> str | None:
    """Return why mean ranks have no intervals, or None if they have."""
    n = len(set(block.datasets))
    if n >= MIN_DATASETS:
        return None
    pairs = f"{len(block.pairs)} pairs" if len(block.pairs) > 1 else "1 pair"
    return (
        f"no intervals: {pairs} of {n} data set{'s' if n > 1 else ''}, and {MIN_DATASETS} data sets are the least that "
        "say how much ranks vary (tasks of one data set are not independent)"
    )


def pair_ranks(scores: np.ndarray) -> np.ndarray:
    """Return the ranks of scores (n_pairs, n_methods) within each pair, highest score 1; equal ones share the mean."""
    above = (scores[:, None, :] > scores[:, :, None]).sum(axis=2)
    equal = (scores[:, None, :] == scores[:, :, None]).sum(axis=2)
    return np.asarray(1.0 + above + (equal - 1) / 2.0)


def clustered_interval(values: np.ndarray, clusters: Sequence[str]) -> Estimate:
    """Return the mean of values (n,) with its t interval, robust to dependence within clusters.

    The variance is that of the clusters' summed deviations (Liang & Zeger 1986, doi 10.1093/biomet/73.1.13) with the
    factor G/(G − 1), the degrees of freedom G − 1; with one value a cluster it is the ordinary t interval. It is unknown
    below three clusters, and where the values do not vary at all: then there is no spread to make it of.
    """
    mean, names = float(values.mean()), sorted(set(clusters))
    off = values - mean
    sums = np.array([off[[c == name for c in clusters]].sum() for name in names])
    n, spread = len(names), float(np.sqrt((sums**2).sum()))
    if n < MIN_DATASETS or spread < 1e-12:
        return Estimate(mean=mean, low=-math.inf, high=math.inf)
    error = math.sqrt(n / (n - 1)) * spread / len(values)
    reach = float(special.stdtrit(n - 1, (1.0 + LEVEL) / 2.0)) * error
    return Estimate(mean=mean, low=mean - reach, high=mean + reach)
