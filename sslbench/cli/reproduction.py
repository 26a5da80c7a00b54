"""Whether a repeated trial gave what was recorded, and what differs between the two runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sslbench.results import TrialRecord, TrialResult

# Sums in another order differ by about 1e-7; a cell whose label tips over moves macro F1 by more than this.
TOLERANCE = 1e-4


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One score, or fact, as it was and as it is; None: only one of the two runs has it."""

    name: str
    then: str | float | None
    now: str | float | None

    @property
    def size(self) -> float:
        """How far two scores are apart; infinite where one is missing."""
        if not isinstance(self.then, float) or not isinstance(self.now, float):
            return float("inf")
        return abs(self.now - self.then)


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What came of repeating a trial."""

    n_scores: int
    differences: tuple[Difference, ...]  # of scores, the largest first
    same_weights: bool | None  # of the scored encoders; None: not recorded

    @property
    def outcome(self) -> Literal["bit-equal", "within tolerance", "different"]:
        """Whether it reproduced."""
        if not self.differences:
            return "bit-equal"
        return "within tolerance" if self.differences[0].size <= TOLERANCE else "different"


def compared(recorded: TrialResult, repeated: TrialResult) -> Reproduction:
    """Compare the scores of two runs of one configuration; a score that one of them lacks is a difference."""
    names = sorted({*recorded.scores, *repeated.scores})
    pairs = [
        Difference(name=name, then=recorded.scores.get(name), now=repeated.scores.get(name))
        for name in names
    ]
    differing = sorted((p for p in pairs if p.then != p.now), key=lambda p: (-p.size, p.name))
    weights = [{at: e.weights for at, e in r.encoders.items()} for r in (recorded, repeated)]
    return Reproduction(
        n_scores=len(names),
        differences=tuple(differing),
        same_weights=weights[0] == weights[1] if weights[0] else None,
    )


def other_circumstances(record: TrialRecord, now: Mapping[str, str]) -> tuple[Difference, ...]:
    """Return what of versions, commit, tasks, threads and machine differs; `now` is the provenance of the repetition."""
    then = record.provenance | {f"task {k}": v for k, v in record.metric_versions.items()}
    known = [name for name in then if name in now] + [name for name in now if name not in then]
    return tuple(
        Difference(name=name, then=then.get(name) or "not recorded", now=now[name] or "none")
        for name in known
        if then.get(name) != now[name] and (name in then or not name.startswith("task "))
    )
