"""p of paired differences, from the distributions that their intervals are made of, and Holm's correction of many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from scipy import special  # scipy.stats takes a second to import

from sslbench.leaderboard.intervals import ArmScores, difference_errors, seeds_differ
from sslbench.leaderboard.standard_errors import StandardError

K = TypeVar("K")  # what is compared
ALPHA = 0.05  # beside 95 % intervals


def bootstrap_p(arm: ArmScores, other: ArmScores) -> float:
    """Return the two-sided p of arm − other: twice the share of its resamples on the other side of 0, in (0, 1].

    Resamples are centred on the difference, as in its interval. One more than were seen is counted (Davison and
    Hinkley 1997, section 4.2), so that p is never 0: of 2,000 resamples it is 0.001 at least.
    """
    draws = arm.per_unit - other.per_unit
    moved = arm.mean - other.mean + (draws - draws.mean())
    beyond = min(int((moved <= 0).sum()), int((moved >= 0).sum()))
    return min(1.0, 2.0 * (beyond + 1) / (len(moved) + 1))


def t_p(arm: ArmScores, other: ArmScores) -> float | None:
    """Return p of the paired t test over donors or seeds, in [0, 1]; None if they share fewer than two.

    It goes by the larger of the standard errors that the interval holds, so that both say the same.
    """
    errors = difference_errors(arm, other)
    if not errors:
        return None
    mean = float(np.nanmean(arm.per_unit - other.per_unit))
    return max(_two_sided(mean, error) for error in errors)


def _two_sided(mean: float, error: StandardError) -> float:
    if error.value == 0.0:
        return 1.0 if mean == 0.0 else 0.0
    return float(2.0 * special.stdtr(error.freedom, -abs(mean) / error.value))


def seeds_p(arm: ArmScores, other: ArmScores) -> float | None:
    """Return `t_p` over seeds; None if every seed gives the same difference, of which nothing follows."""
    return t_p(arm, other) if seeds_differ(arm.per_unit - other.per_unit) else None


def p_words(p: float | None) -> str:
    """Return e.g. `0.012`, `<0.001`, or a dash for none."""
    if p is None:
        return "–"
    return "<0.001" if p < 0.0005 else f"{p:.3f}"


def holm(p: Mapping[K, float]) -> dict[K, float]:
    """Return p adjusted for their number (Holm 1979, Scand. J. Stat. 6:65), by the same names.

    Whoever claims the differences whose adjusted p is at most 0.05 makes a single false claim in 5 % of tables.
    """
    adjusted: dict[K, float] = {}
    least = 0.0
    for i, name in enumerate(sorted(p, key=lambda name: p[name])):
        least = max(least, min(1.0, (len(p) - i) * p[name]))
        adjusted[name] = least
    return {name: adjusted[name] for name in p}
