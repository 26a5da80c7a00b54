"""From records to the leaderboard: every arm's chosen recipe on fresh seeds, best test score first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from sslbench.leaderboard.board import Leaderboard, Row, StaleRow
from sslbench.leaderboard.caveats import notes_on, short_arms, stamp
from sslbench.leaderboard.claim_verdict import judged_claim
from sslbench.leaderboard.comparison import Comparison
from sslbench.leaderboard.effort import default_score, failure_groups, search_effort
from sslbench.leaderboard.external import Beside, External, beside_ranking, external_notes
from sslbench.leaderboard.facts import SweepFacts
from sslbench.leaderboard.freshness import made_with, parted
from sslbench.leaderboard.label_curve import label_curve
from sslbench.leaderboard.label_leaks import label_leaks
from sslbench.leaderboard.predictions import TestFrames
from sslbench.leaderboard.pruning import pruning_notes
from sslbench.leaderboard.rank_stability import rank_intervals
from sslbench.leaderboard.selection import Confirmed
from sslbench.leaderboard.significance import holm
from sslbench.leaderboard.standing import Standing, standing_of
from sslbench.leaderboard.verdict import verdict, verdict_without_rows
from sslbench.results import MetricKey, TrialRecord


def rank_arms(
    records: Sequence[TrialRecord],
    predictions: Mapping[str, pd.DataFrame],
    facts: SweepFacts,
    *,
    units: Mapping[str, pd.DataFrame] | None = None,
    externals: Sequence[External] = (),
) -> Leaderboard:
    """Rank the arms of one sweep on one data set by the test scores of their chosen recipes.

    The metric is that of the sweep's objective. Recipes, protocols and the reference are chosen on validation
    scores; test scores only order the rows. `predictions` maps the uid of a confirm trial to its test cells:
    row_id, donor, label, `predicted/<protocol>`; `units` to its scores of single test donors, or of resamples of
    the cells of one, by protocol. Arms without a usable confirm trial are listed as holes. If no arm has one, the
    leaderboard has no rows. Records of other data or of another version of a task are stale: listed, nothing else. `externals` stand
    beside the ranking, which is the same without them.

    Raises
    ------
    DataError
        If arms were scored on different cells, or if a recorded score is not what its predictions give.
    ConfigError
        If the metric of the objective is better when lower.
    """
    split = parted(records, facts)
    records = split.fresh
    frames = TestFrames(predictions=predictions, units=units or {})
    ranked = [record for record in records if record.arm not in facts.copies]
    standing = standing_of(ranked, frames, facts, measure=facts.measure(), without=split.unranked)
    if not isinstance(standing, Standing):
        beside = beside_ranking(externals, None, frames, facts)
        bare = _without_rows(records, facts, holes=standing, stale=split.stale)
        return _with_external(bare, beside)
    beside = beside_ranking(externals, standing, frames, facts)
    rows = _rows(standing, records=records, facts=facts)
    board = Leaderboard(
        rows=rows,
        metric=standing.comparison.measure.metric,
        verdict=verdict(rows, standing.comparison, facts=facts),
        unit=standing.comparison.unit,
        stamp=stamp(standing.comparison),
        reference=next((row.arm for row in rows if row.is_reference), None),
        baseline=facts.baseline,
        protocols=tuple(sorted({name for arm in standing.arms for name in arm.validation})),
        notes=(
            *label_leaks(standing, frames, facts),
            *notes_on(rows, facts=facts, unit=standing.comparison.unit),
            *pruning_notes(ranked, facts),
        ),
        holes=(*standing.holes, *short_arms(rows, facts=facts)),
        failures=failure_groups(records),
        label_curve=label_curve(records, frames, facts, whole=standing),
        claim=judged_claim(facts.claim, ranked, frames, facts) if facts.claim else None,
        stale=split.stale,
    )
    return _with_external(board, beside)


def shared_ranks(arms: Sequence[str], comparison: Comparison) -> list[int]:
    """Return the ranks of arms that are ordered best first.

    An arm shares the rank of the best of the group above it unless its paired difference to that one excludes 0;
    otherwise it opens a new group at its own position. (Separability is not transitive: only the top of each
    group is compared.)
    """
    ranks: list[int] = []
    top = 0
    for position, arm in enumerate(arms):
        if position and not comparison.difference(arms[top], arm).spans_zero:
            top = position
        ranks.append(top + 1)
    return ranks


def _rows(
    standing: Standing, *, records: Sequence[TrialRecord], facts: SweepFacts
) -> tuple[Row, ...]:
    comparison = standing.comparison
    ordered = sorted(standing.arms, key=lambda a: (-comparison.scores[a.arm].mean, a.arm))
    ranks = shared_ranks([a.arm for a in ordered], comparison)
    reference = standing.best(facts.baselines)
    p = _compared(standing, reference, facts)
    adjusted, places = holm(p), rank_intervals(comparison, controls=facts.controls)
    rows = [
        _row(arm, standing, rank=rank, reference=reference, records=records, facts=facts)
        for rank, arm in zip(ranks, ordered, strict=True)
    ]
    return tuple(
        replace(
            row,
            p=p.get(row.arm),
            p_holm=adjusted.get(row.arm),
            rank_interval=_with_rank(places.get(row.arm), _among_rivals(row, rows, facts)),
        )
        for row in rows
    )


def _compared(standing: Standing, reference: str | None, facts: SweepFacts) -> dict[str, float]:
    """Return p of the difference to the reference of each rival of another regime, where it is known."""
    regimes = {arm.arm: arm.regime for arm in standing.arms if arm.arm not in facts.controls}
    if reference is None:
        return {}
    found = {
        arm: standing.comparison.p(arm, reference)
        for arm, regime in regimes.items()
        if regime != regimes[reference]
    }
    return {arm: p for arm, p in found.items() if p is not None}


def _among_rivals(row: Row, rows: Sequence[Row], facts: SweepFacts) -> int:
    """Return the rank without the controls above it, which take no place."""
    return row.rank - sum(r.arm in facts.controls for r in rows[: row.rank - 1])


def _with_rank(places: tuple[int, int] | None, rank: int) -> tuple[int, int] | None:
    """Return the places with the rank among them, which rows share that are not separable from the first of it."""
    return places and (min(places[0], rank), max(places[1], rank))


def _row(
    arm: Confirmed,
    standing: Standing,
    *,
    rank: int,
    reference: str | None,
    records: Sequence[TrialRecord],
    facts: SweepFacts,
) -> Row:
    comparison, is_compared = standing.comparison, reference not in (None, arm.arm)
    return Row(
        rank=rank,
        arm=arm.arm,
        method=arm.method,
        regime=arm.regime,
        protocol=standing.protocols[arm.arm],
        chosen_by=MetricKey.parse(arm.chosen.objective).task,
        test=comparison.estimate(arm.arm),
        difference=comparison.difference(arm.arm, str(reference)) if is_compared else None,
        is_reference=arm.arm == reference,
        validation=standing.validation(arm),
        test_by_protocol=comparison.by_protocol[arm.arm],
        seeds=arm.seeds,
        uids=arm.uids,
        effort=search_effort(records, arm=arm.arm, facts=facts),
        recipe=arm.chosen.recipe,
        params=arm.chosen.params,
        n_test_openings=arm.n_test_openings,
        difference_by_donor=comparison.difference_by_donor(arm.arm, str(reference))
        if is_compared
        else {},
        tuned=arm.chosen.score,
        default=default_score(records, arm=arm.arm, facts=facts),
        is_control=arm.arm in facts.controls,
        made_with=made_with(arm.records),
    )


def _without_rows(
    records: Sequence[TrialRecord],
    facts: SweepFacts,
    *,
    holes: tuple[str, ...],
    stale: tuple[StaleRow, ...],
) -> Leaderboard:
    return Leaderboard(
        rows=(),
        metric=facts.measure().metric,
        verdict=verdict_without_rows(records, n_stale=sum(len(row.uids) for row in stale)),
        unit="cells",
        stamp="",
        reference=None,
        baseline=facts.baseline,
        protocols=(),
        notes=facts.notes,
        holes=holes,
        failures=failure_groups(records),
        stale=stale,
    )


def _with_external(board: Leaderboard, beside: Beside) -> Leaderboard:
    further = {name for row in beside.rows for name in row.test_by_protocol}
    return replace(
        board,
        external=beside.rows,
        protocols=tuple(sorted({*board.protocols, *further})),
        notes=(*board.notes, *external_notes(beside.rows)),
        holes=(*board.holes, *beside.holes),
        stale=(*board.stale, *beside.stale),
    )
