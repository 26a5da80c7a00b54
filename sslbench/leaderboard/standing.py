"""Where all arms stand at one share of the labels: who was confirmed, judged by what, compared how."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sslbench.leaderboard.comparison import Comparison, compare
from sslbench.leaderboard.facts import SweepFacts
from sslbench.leaderboard.metric import Measure
from sslbench.leaderboard.predictions import TestFrames
from sslbench.leaderboard.selection import Confirmed, confirmed_arm
from sslbench.results import Regime, TrialRecord


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The confirmed arms in the order of the sweep, at least one, and what keeps others out."""

    arms: tuple[Confirmed, ...]
    protocols: Mapping[str, str]  # arm → the protocol that validation chose
    comparison: Comparison
    holes: tuple[str, ...]
    controls: frozenset[str] = frozenset()  # arms that are never the best of anything

    def validation(self, arm: Confirmed) -> float:
        """Return the mean validation score of an arm under its protocol."""
        return arm.validation[self.protocols[arm.arm]]

    def best(self, regimes: Sequence[Regime]) -> str | None:
        """Return the arm of these regimes, no control, that is best by validation; None without one."""
        rivals = [arm for arm in self.arms if arm.arm not in self.controls]
        return best_by_validation(
            {arm.arm: self.validation(arm) for arm in rivals if arm.regime in regimes}
        )


def standing_of(
    records: Sequence[TrialRecord],
    frames: TestFrames,
    facts: SweepFacts,
    *,
    measure: Measure,
    without: Collection[str] = (),
) -> Standing | tuple[str, ...]:
    """Return where the arms stand, or, if none can be compared, the holes that say why; `without` some arms."""
    names = [name for name in _arm_names(records, facts) if name not in without]
    own = {name: [record for record in records if record.arm == name] for name in names}
    found = [confirmed_arm(own[name], frames, arm=name, measure=measure) for name in names]
    holes = tuple(hole for _, arm_holes in found for hole in arm_holes)
    arms = tuple(confirmed for confirmed, _ in found if confirmed is not None)
    if not arms:
        return holes
    protocols = {arm.arm: arm.protocol(preferred=facts.preferred_protocols) for arm in arms}
    comparison = compare(arms, frames, protocols=protocols, measure=measure)
    return Standing(
        arms=arms,
        protocols=protocols,
        comparison=comparison,
        holes=holes,
        controls=facts.controls,
    )


def best_by_validation(validation: Mapping[str, float]) -> str | None:
    """Return the arm with the best validation score, the first by name among equals; None without arms."""
    return min(validation, key=lambda arm: (-validation[arm], arm), default=None)


def _arm_names(records: Sequence[TrialRecord], facts: SweepFacts) -> list[str]:
    """Return the planned arms in the order of the sweep file, then any other arm that has records."""
    names = [arm.name for arm in facts.arms if arm.name not in facts.copies]
    return names + sorted({r.arm for r in records} - set(names))
