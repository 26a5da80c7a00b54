"""How far a rank is luck: the places that a row takes when cells, donors or seeds are drawn anew, the same for all rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from sslbench.leaderboard.comparison import Comparison
from sslbench.leaderboard.intervals import LEVEL, N_RESAMPLES, SEED, ArmScores, draw_counts


def rank_intervals(
    comparison: Comparison, *, controls: Collection[str] = ()
) -> dict[str, tuple[int, int] | None]:
    """Return the central 95 % of each rival's places over resamples, 1 the best; None where its interval is not known.

    A place is 1 plus the number of rivals with a higher resampled score: controls are the scale that rivals are read
    on, so that they neither take a place nor have one. Cells are the draws of the intervals; donors
    and seeds are drawn with replacement, and what that understates of a spread over few of them is made up for.
    """
    drawn = {arm: own for arm, own in _drawn(comparison).items() if arm not in controls}
    places = {
        arm: 1 + np.sum([other > own for other in drawn.values()], axis=0)
        for arm, own in drawn.items()
    }
    return {
        arm: _interval(of_arm) if comparison.estimate(arm).is_known else None
        for arm, of_arm in places.items()
    }


def _drawn(comparison: Comparison) -> Mapping[str, np.ndarray]:
    """Return the resampled score of each arm, (n_resamples,), aligned between arms."""
    if comparison.unit == "cells":
        return {
            arm: scores.mean + (scores.per_unit - scores.per_unit.mean())
            for arm, scores in comparison.scores.items()
        }
    n_units = max(len(scores.per_unit) for scores in comparison.scores.values())
    generator = np.random.default_rng([SEED, n_units, 2])
    counts = draw_counts(generator, n_draws=n_units, n_resamples=N_RESAMPLES)
    return {arm: _of_units(scores, counts) for arm, scores in comparison.scores.items()}


def _of_units(scores: ArmScores, counts: np.ndarray) -> np.ndarray:
    """Return the resampled mean over the units that an arm has; of a draw without any of them its mean."""
    known = np.isfinite(scores.per_unit)
    n_known, n_drawn = int(known.sum()), counts[:, known].sum(axis=1)
    if n_known < 2:
        return np.full(len(counts), scores.mean)
    total = counts[:, known] @ scores.per_unit[known]
    drawn = np.where(n_drawn > 0, total / np.maximum(n_drawn, 1), scores.mean)
    return np.asarray(scores.mean + (drawn - scores.mean) * np.sqrt(n_known / (n_known - 1)))


def _interval(places: np.ndarray) -> tuple[int, int]:
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(places, [tail, 1.0 - tail], method="inverted_cdf")
    return int(low), int(high)
