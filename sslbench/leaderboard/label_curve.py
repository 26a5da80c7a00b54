"""What pretraining gains at each share of the labels: the best SSL arm against the best supervised arm."""

from __future__ import annotations

from collections.abc import Sequence

from sslbench.leaderboard.board import ArmAtShare, LabelCurve, SharePoint
from sslbench.leaderboard.facts import LabelShare, SweepFacts
from sslbench.leaderboard.predictions import TestFrames
from sslbench.leaderboard.selection import Confirmed
from sslbench.leaderboard.standing import Standing, standing_of
from sslbench.results import TrialRecord


def label_curve(
    records: Sequence[TrialRecord],
    frames: TestFrames,
    facts: SweepFacts,
    *,
    whole: Standing,
) -> LabelCurve | None:
    """Return the curve over the shares asked for and the sweep's own, where the arms stand as in `whole`.

    At each share arms are compared as they are in the ranking; which arm and which protocol is best is read off
    the validation labels that are left there. None if no share was asked for.
    """
    if not facts.label_shares:
        return None
    points, holes = [], []
    for share in sorted(facts.label_shares, key=lambda share: share.fraction):
        point, of_share = _point_at(share, records, frames, facts, known=whole)
        points += [point] if point is not None else []
        holes += of_share
    points.append(_point(whole, fraction=facts.label_fraction, n_labels=facts.n_labels))
    break_even = next((p.fraction for p in points if p.gain and p.gain.low <= 0), None)
    return LabelCurve(
        points=tuple(points),
        break_even=break_even,
        sentence=_sentence(points, break_even),
        stamp=_stamp(facts),
        holes=tuple(holes),
    )


def percent(fraction: float) -> str:
    """Return e.g. `5 %`."""
    return f"{100 * fraction:g} %"


def _point_at(
    share: LabelShare,
    records: Sequence[TrialRecord],
    frames: TestFrames,
    facts: SweepFacts,
    *,
    known: Standing,
) -> tuple[SharePoint | None, list[str]]:
    """Return the point of a further share, or None, and what is missing there."""
    at = percent(share.fraction)
    if share.lost:
        return None, [f"{at} of the labels: none is left of {', '.join(share.lost)}"]
    standing = _standing_at(share, records, frames, facts)
    if not isinstance(standing, Standing):
        return None, [f"{at} of the labels: no arm has a score there"]
    there = {arm.arm for arm in standing.arms}
    missing = [arm.arm for arm in known.arms if arm.arm not in there]
    holes = [f"{at} of the labels: no score of {', '.join(missing)}"] if missing else []
    return _point(standing, fraction=share.fraction, n_labels=share.n_labels), holes


def _standing_at(
    share: LabelShare, records: Sequence[TrialRecord], frames: TestFrames, facts: SweepFacts
) -> Standing | tuple[str, ...]:
    """Return where arms stand at a share: with their recipes of the ranking, or with those of their copies there."""
    if not facts.copies:
        return standing_of(records, frames, facts, measure=facts.measure(share))
    here = {
        arm.name: arm.name.removesuffix(share.suffix)
        for arm in facts.arms
        if arm.label_fraction == share.fraction
    }
    own = [r.model_copy(update={"arm": here[r.arm]}) for r in records if r.arm in here]
    return standing_of(own, frames, facts, measure=facts.measure())


def _stamp(facts: SweepFacts) -> str:
    if facts.copies:
        return "every arm was searched anew at each share, on one draw of the labels: intervals do not hold its luck"
    own = percent(facts.label_fraction)
    return f"recipes were tuned at {own} of the labels and not anew at fewer, of which each seed has its own draw"


def _point(standing: Standing, *, fraction: float, n_labels: int | None) -> SharePoint:
    ssl, supervised = standing.best(["self-supervised"]), standing.best(["supervised"])
    gain = None
    if ssl is not None and supervised is not None:
        gain = standing.comparison.difference(ssl, supervised)
    return SharePoint(
        fraction=fraction,
        n_labels=n_labels,
        arms=tuple(_arm_at(arm, standing) for arm in standing.arms),
        ssl=ssl,
        supervised=supervised,
        gain=gain,
    )


def _arm_at(arm: Confirmed, standing: Standing) -> ArmAtShare:
    return ArmAtShare(
        arm=arm.arm,
        method=arm.method,
        regime=arm.regime,
        protocol=standing.protocols[arm.arm],
        validation=standing.validation(arm),
        test=standing.comparison.estimate(arm.arm),
    )


def _sentence(points: Sequence[SharePoint], break_even: float | None) -> str:
    compared = [point for point in points if point.gain is not None]
    if not compared:
        return "No gain: there is no share of the labels at which an SSL and a supervised arm were both scored."
    if break_even is None:
        return f"Break-even: none. SSL is separably ahead at every share of the labels, up to {percent(compared[-1].fraction)}."
    ahead = [point for point in compared if point.fraction < break_even]
    counted = next((p.n_labels for p in compared if p.fraction == break_even), None)
    labels = f" ({counted:,} labelled training cells)" if counted is not None else ""
    if ahead:
        return f"Break-even: at {percent(break_even)} of the labels{labels} SSL is no longer separably ahead."
    later = [p for p in compared if p.gain and p.gain.low > 0]
    but = f", though at {', '.join(percent(p.fraction) for p in later)}" if later else ""
    return f"Break-even: SSL is not separably ahead even at {percent(break_even)} of the labels{labels}{but}."
