"""The confirmed arms scored on the same test cells: one estimate an arm, one paired estimate a pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sslbench.leaderboard import intervals, significance
from sslbench.leaderboard.board import Unit
from sslbench.leaderboard.cell_type_scores import score_cell_types
from sslbench.leaderboard.intervals import ArmScores, Estimate
from sslbench.leaderboard.metric import Measure
from sslbench.leaderboard.predictions import TestFrames, UnitScores, shared_cells, unit_scores
from sslbench.leaderboard.selection import Confirmed


class _Intervals(NamedTuple):
    """How means and paired differences of one unit get their interval, and differences their p."""

    of_mean: Callable[[ArmScores], Estimate]
    of_difference: Callable[[ArmScores, ArmScores], Estimate]
    p: Callable[[ArmScores, ArmScores], float | None]


_INTERVALS: Mapping[Unit, _Intervals] = {
    "cells": _Intervals(
        intervals.bootstrap_interval, intervals.bootstrap_difference, significance.bootstrap_p
    ),
    "donors": _Intervals(intervals.t_interval, intervals.t_difference, significance.t_p),
    "seeds": _Intervals(intervals.seeds_interval, intervals.seeds_difference, significance.seeds_p),
}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Arms under their chosen protocols, on the same cells."""

    measure: Measure
    unit: Unit
    n_donors: int  # of the test cells; 0: none known
    scores: Mapping[str, ArmScores]  # arm → scores under its protocol
    by_protocol: Mapping[str, Mapping[str, float]]  # arm → protocol → mean test score
    donors: tuple[
        str, ...
    ] = ()  # of the scores of donors, in their order; empty: of none, or not known which

    def estimate(self, arm: str) -> Estimate:
        """Return the arm's mean test score with its interval."""
        metric = self.measure.metric
        return _INTERVALS[self.unit].of_mean(self.scores[arm]).within(metric.low, metric.high)

    def difference(self, arm: str, other: str) -> Estimate:
        """Return arm − other with its paired interval."""
        return self.minus(arm, self, other)

    def minus(self, arm: str, comparison: Comparison, other: str) -> Estimate:
        """Return arm − other with its paired interval, where `other` stands in a comparison on the same cells and seeds."""
        if comparison.unit != self.unit:
            raise ValueError(f"scores of {self.unit} and of {comparison.unit} cannot be paired")
        return _INTERVALS[self.unit].of_difference(self.scores[arm], comparison.scores[other])

    def difference_by_donor(self, arm: str, other: str) -> dict[str, float]:
        """Return arm − other of each donor that both have a score of; empty unless scores are those of known donors."""
        if not self.donors:
            return {}
        differences = self.scores[arm].per_unit - self.scores[other].per_unit
        named = zip(self.donors, differences.tolist(), strict=True)
        return {donor: value for donor, value in named if np.isfinite(value)}

    def p(self, arm: str, other: str) -> float | None:
        """Return the two-sided p of that difference, from the same paired distribution; None where nothing is known."""
        return _INTERVALS[self.unit].p(self.scores[arm], self.scores[other])


def compare(
    arms: Sequence[Confirmed],
    frames: TestFrames,
    *,
    protocols: Mapping[str, str],
    measure: Measure,
) -> Comparison:
    """Score each arm by its protocol and by all others it has; `protocols` names each arm's own.

    Macro F1 is worked out from predicted labels. Any other metric has an interval over test donors, or over
    resampled cells of one donor, if every arm has scores of those under its protocol; else one over seeds alone.

    Raises
    ------
    DataError
        If arms were scored on different cells, or a recorded score is not what its predictions give.
    """
    if measure.metric.of_labels:
        scored = score_cell_types(arms, frames, measure)
        return Comparison(
            measure=measure,
            unit=scored.unit,
            n_donors=scored.n_donors,
            scores=scored.of(protocols),
            by_protocol=scored.means,
            donors=scored.cells.donors if scored.unit == "donors" else (),
        )
    return _compare_recorded(arms, frames, protocols=protocols, measure=measure)


def _compare_recorded(
    arms: Sequence[Confirmed],
    frames: TestFrames,
    *,
    protocols: Mapping[str, str],
    measure: Measure,
) -> Comparison:
    donors = shared_cells(frames, [uid for arm in arms for uid in arm.uids]).donors
    tables = {
        (arm.arm, name): unit_scores(frames, arm.uids, measure.units(name))
        for arm in arms
        for name in arm.validation
    }
    own = [tables[arm.arm, protocols[arm.arm]] for arm in arms]
    n_units = _shared_size(own)
    unit = _unit(own, n_units=n_units, n_donors=len(donors))
    seeds = sorted({seed for arm in arms for seed in arm.seeds})
    scores: dict[str, dict[str, ArmScores]] = {arm.arm: {} for arm in arms}
    for arm in arms:
        for name in arm.validation:
            of_seed = dict(zip(arm.seeds, arm.test_scores(measure.key("test", name)), strict=True))
            recorded = np.array([of_seed.get(seed, np.nan) for seed in seeds])
            scores[arm.arm][name] = _arm_scores(
                recorded, tables[arm.arm, name], unit=unit, n_units=n_units, seeds=arm.seeds
            )
    return Comparison(
        measure=measure,
        unit=unit,
        n_donors={"donors": n_units, "cells": min(len(donors), 1), "seeds": len(donors)}[unit],
        scores={arm: of_arm[protocols[arm]] for arm, of_arm in scores.items()},
        by_protocol={
            arm: {name: scored.mean for name, scored in of_arm.items()}
            for arm, of_arm in scores.items()
        },
        donors=donors[:n_units] if unit == "donors" and len(donors) >= n_units else (),
    )


def _shared_size(tables: Sequence[UnitScores | None]) -> int:
    """Return the number of units of all tables; 0 if one is missing or has other ones."""
    sizes = {table.values.shape[1] if table is not None else 0 for table in tables}
    kinds = {table.kind for table in tables if table is not None} - {None}
    return sizes.pop() if len(sizes) == 1 and len(kinds) <= 1 else 0


def _unit(tables: Sequence[UnitScores | None], *, n_units: int, n_donors: int) -> Unit:
    """Return what the units are as their files say; older files: donors, if they are no more than those."""
    if n_units == 0:
        return "seeds"
    said = next((table.kind for table in tables if table is not None and table.kind), None)
    return said or ("donors" if n_units <= n_donors else "cells")


def _arm_scores(
    recorded: np.ndarray,
    table: UnitScores | None,
    *,
    unit: Unit,
    n_units: int,
    seeds: Sequence[int],
) -> ArmScores:
    """Return scores from those of the seeds (n_seeds,), NaN: none, or of each seed and unit of the table."""
    has_units = table is not None and table.values.shape[1] == n_units
    # Of those that are there alone: a sum over the others' gaps too may round otherwise.
    mean = float(recorded[np.isfinite(recorded)].mean())
    if unit == "seeds" or table is None or not has_units:
        return ArmScores(mean=mean, per_unit=recorded)
    if unit == "donors":
        return intervals.mean_scores(table.values, seeds=seeds)
    return intervals.resample_scores(table.values, mean=mean, seeds=seeds)
