"""Which methods can be told apart over data sets: Friedman's test, then Wilcoxon's for every two, corrected by Holm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import special

from sslbench.leaderboard.across.complete import Block
from sslbench.leaderboard.across.ranks import pair_ranks, rank_methods
from sslbench.leaderboard.significance import holm

MIN_PAIRS, ALPHA = 5, 0.05


@dataclass(frozen=True, kw_only=True)
class Separation:
    """What the critical-difference diagram shows."""

    methods: tuple[str, ...]  # best mean rank first
    mean_ranks: tuple[float, ...]
    friedman_p: float
    p: Mapping[
        tuple[str, str], float
    ]  # by two methods in the order of `methods`, corrected by Holm
    groups: tuple[tuple[str, ...], ...]  # runs of neighbours of which no two can be told apart
    smallest_p: float  # the smallest that Wilcoxon's test can give two methods here, before and after Holm's factor
    smallest_corrected: float


def separate(block: Block) -> Separation | str:
    """Return what can be told apart, or why that is not asked.

    Demšar 2006 (jmlr.org/papers/v7/demsar06a.html), with pairwise Wilcoxon tests in place of mean-rank tests, as
    Benavoli et al. 2016 (jmlr.org/papers/v17/benavoli16a.html) advise: what two methods get depends on no third one.
    """
    n_pairs, n_methods = block.scores.shape
    if n_pairs < MIN_PAIRS:
        return f"from {MIN_PAIRS} pairs on, here are {n_pairs}"
    if len(set(block.datasets)) < n_pairs:
        return "tasks of one data set are not independent: see the single tasks"
    if n_methods < 3:
        return f"from 3 methods on, here are {n_methods}"
    ranked = rank_methods(block)
    methods = tuple(row.method for row in ranked)
    scores = block.scores[:, [block.methods.index(method) for method in methods]]
    friedman, smallest = friedman_p(scores), 2.0 ** (1 - n_pairs)
    twos = list(combinations(range(n_methods), 2))
    corrected: dict[tuple[int, int], float] = {}
    if friedman < ALPHA and smallest * len(twos) < ALPHA:
        raw = [_wilcoxon(scores[:, i] - scores[:, j]) for i, j in twos]
        corrected = holm(dict(zip(twos, raw, strict=True)))
    apart = {two for two, p in corrected.items() if p < ALPHA}
    return Separation(
        methods=methods,
        mean_ranks=tuple(row.rank.mean for row in ranked),
        friedman_p=friedman,
        p={(methods[i], methods[j]): p for (i, j), p in corrected.items()},
        groups=tuple(tuple(methods[i:j]) for i, j in _runs(n_methods, apart)),
        smallest_p=smallest,
        smallest_corrected=min(1.0, smallest * len(twos)),
    )


def friedman_p(scores: np.ndarray) -> float:
    """Return the p of Friedman's test (1937) on scores (n_pairs, n_methods), corrected for ties; 1 if all are tied."""
    n, k = scores.shape
    ranks = pair_ranks(scores)
    spread = ((ranks - (k + 1) / 2) ** 2).sum()  # n k (k² − 1) / 12 without ties
    off = ((ranks.sum(axis=0) - n * (k + 1) / 2) ** 2).sum()
    return float(special.chdtrc(k - 1, (k - 1) * off / spread)) if spread else 1.0


def _wilcoxon(differences: np.ndarray) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test; 1 for two methods that never differ."""
    from scipy import stats  # a second to import

    return float(stats.wilcoxon(differences).pvalue) if differences.any() else 1.0


def _runs(n: int, apart: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest runs [start, end) of two or more positions of which no two are apart, none inside another."""
    runs: list[tuple[int, int]] = []
    for start in range(n):
        end = start + 1
        while end < n and not any((i, end) in apart for i in range(start, end)):
            end += 1
        if end - start > 1 and (not runs or end > runs[-1][1]):
            runs.append((start, end))
    return runs
