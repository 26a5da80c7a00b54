"""Whether a published claim holds on the cells of a sweep: each of its comparisons, paired, with its interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from sslbench.claim import Claim, ClaimPart, Side
from sslbench.leaderboard.board import ClaimOutcome, JudgedClaim, JudgedPart
from sslbench.leaderboard.comparison import Comparison, compare
from sslbench.leaderboard.facts import SweepFacts
from sslbench.leaderboard.intervals import Estimate
from sslbench.leaderboard.metric import Measure, ranked_metric
from sslbench.leaderboard.predictions import TestFrames
from sslbench.leaderboard.selection import Confirmed, confirmed_arm
from sslbench.results import TrialRecord

_WORDS: dict[ClaimOutcome, str] = {
    "holds": "holds",
    "reversed": "is reversed",
    "undecided": "is not decided",
    "not judged": "could not be judged",
}


def judged_claim(
    claim: Claim, records: Sequence[TrialRecord], frames: TestFrames, facts: SweepFacts
) -> JudgedClaim:
    """Judge every comparison of a claim by test scores of the chosen recipes, on shared cells and seeds.

    A comparison holds where the 95 % interval of its difference lies above 0, is reversed where it lies below, and is
    not decided where it spans 0. That all of several hold needs no correction: each must do so by itself.
    """
    parts = tuple(_judged(part, records, frames, facts) for part in claim.parts)
    return JudgedClaim(
        text=claim.text, source=claim.source, parts=parts, sentence=_sentence(parts, facts)
    )


def _judged(
    part: ClaimPart, records: Sequence[TrialRecord], frames: TestFrames, facts: SweepFacts
) -> JudgedPart:
    sides = [
        _confirmed(side, part.metric, records, frames, facts) for side in (part.better, part.than)
    ]
    missing = [side for side in sides if isinstance(side, str)]
    found = [side for side in sides if not isinstance(side, str)]
    better, than = str(part.better), str(part.than)
    if missing:
        why = "; ".join(missing)
        return JudgedPart(says=part.says, better=better, than=than, outcome="not judged", why=why)
    seeds = set.intersection(*(set(arm.seeds) for arm, _, _ in found))
    if not seeds:
        why = "the two were confirmed on no common seed"
        return JudgedPart(says=part.says, better=better, than=than, outcome="not judged", why=why)
    first, second = (_scored(arm, by, measure, seeds, frames) for arm, by, measure in found)
    difference = first.minus(part.better.arm, second, part.than.arm)
    return JudgedPart(
        says=part.says,
        better=f"{part.better.arm} by {found[0][1]}",
        than=f"{part.than.arm} by {found[1][1]}",
        difference=difference,
        outcome=_outcome(difference),
    )


def _confirmed(
    side: Side,
    metric: str | None,
    records: Sequence[TrialRecord],
    frames: TestFrames,
    facts: SweepFacts,
) -> tuple[Confirmed, str, Measure] | str:
    """Return the side's confirm trials, the protocol and the measure it is judged by, or what is missing."""
    measure = facts.measure()
    if metric is not None:
        measure = replace(measure, metric=ranked_metric(metric), of_units=frozenset())
    if side.by is not None and not measure.metric.of_every_task:
        measure = replace(measure, only_task=side.by)
    arm, holes = confirmed_arm(records, frames, arm=side.arm, measure=measure)
    if arm is None:
        return "; ".join(holes)
    by = side.by or arm.protocol(preferred=facts.preferred_protocols)
    if by not in arm.validation:
        return f"{side.arm} has no score by {by}"
    return arm, by, measure


def _scored(
    arm: Confirmed, by: str, measure: Measure, seeds: set[int], frames: TestFrames
) -> Comparison:
    kept = tuple(r for r in arm.records if int(r.config["seed"]) in seeds)
    shared = replace(arm, records=kept)
    return compare((shared,), frames, protocols={arm.arm: by}, measure=measure)


def _outcome(difference: Estimate) -> ClaimOutcome:
    if difference.spans_zero:
        return "undecided"
    return "holds" if difference.mean > 0 else "reversed"


def _sentence(parts: Sequence[JudgedPart], facts: SweepFacts) -> str:
    where = f"on {facts.dataset} at this budget"
    counts = Counter(part.outcome for part in parts)
    if len(counts) == 1:
        of_all = f" in all {len(parts)} comparisons" if len(parts) > 1 else ""
        return f"The claim {_WORDS[parts[0].outcome]} {where}{of_all}."
    said = [
        f"{n} {_WORDS[outcome].removeprefix('is ')}" for outcome in _WORDS if (n := counts[outcome])
    ]
    return f"Of the claim's {len(parts)} comparisons, {', '.join(said)} {where}."
