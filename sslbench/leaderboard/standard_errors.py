"""How far a mean over donors is off: by the luck of its donors, and by that of the training seeds as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class StandardError(NamedTuple):
    """Of a mean, and the degrees of freedom of the t distribution that goes with it."""

    value: float
    freedom: float


def standard_errors(
    units: np.ndarray, *, by_seed: Sequence[np.ndarray] = ()
) -> tuple[StandardError, ...]:
    """Return the standard errors of the mean of scores of donors or seeds (n_units,), NaN: none; an interval must hold both.

    The first is that over the units alone. A lucky seed is lucky on all donors, which the spread between donors does
    not show: the second adds what `by_seed` shows of it, scores (n_seeds, n_units) that vary independently, with the
    degrees of freedom of Satterthwaite (1946, doi 10.2307/3002019). Of fewer than two units there is none.
    """
    known = units[np.isfinite(units)]
    if len(known) < 2:
        return ()
    over_units = (float(known.var(ddof=1)) / len(known), len(known) - 1)
    luck = [(seed_variance(table), len(table) - 1) for table in by_seed if len(table) > 1]
    return _sum([over_units]), _sum([over_units, *luck])


def seed_variance(by_seed: np.ndarray) -> float:
    """Return what the luck of seeds adds to the variance of the mean of scores (n_seeds, n_units), at least 0.

    That is the component of seeds in a crossed layout (Searle, Casella and McCulloch 1992, chapter 4): the variance of the
    mean over seeds less what is peculiar to a seed on one unit, which the spread between units shows already.
    """
    table = by_seed[:, np.isfinite(by_seed).all(axis=0)]
    n_seeds, n_units = int(table.shape[0]), int(table.shape[1])
    of_seed, of_unit = table.mean(axis=1), table.mean(axis=0)
    rest = table - of_seed[:, None] - of_unit + table.mean()
    peculiar = float((rest**2).sum()) / ((n_seeds - 1) * max(1, n_units - 1))
    over_seeds = float(of_seed.var(ddof=1)) / n_seeds
    return max(0.0, over_seeds - peculiar / (n_seeds * n_units))


def _sum(parts: Sequence[tuple[float, int]]) -> StandardError:
    total = sum(variance for variance, _ in parts)
    if total == 0.0:
        return StandardError(0.0, parts[0][1])
    shares = [(variance / total) ** 2 / freedom for variance, freedom in parts]
    return StandardError(float(np.sqrt(total)), 1.0 / sum(shares))
