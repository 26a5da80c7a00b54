"""From records to the leaderboard: every arm's chosen recipe on fresh seeds, best test score first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from sslbench.leaderboard.board import FailureGroup, Leaderboard, Row
from sslbench.leaderboard.caveats import notes_on, short_arms, stamp
from sslbench.leaderboard.comparison import Comparison, compare
from sslbench.leaderboard.effort import failure_groups, search_effort
from sslbench.leaderboard.facts import SweepFacts
from sslbench.leaderboard.selection import Confirmed, confirmed_arm, refuse_mixed_data
from sslbench.leaderboard.verdict import best_by_validation, verdict, verdict_without_rows
from sslbench.results import MetricKey, TrialRecord


def rank_arms(
    records: Sequence[TrialRecord], predictions: Mapping[str, pd.DataFrame], facts: SweepFacts
) -> Leaderboard:
    """Rank the arms of one sweep on one data set by test macro F1 of their chosen recipes.

    Recipes, protocols and the reference are chosen on validation scores; test scores only order the rows.
    `predictions` maps the uid of a confirm trial to its test cells: row_id, label, donor, `predicted/<protocol>`.
    Arms without a usable confirm trial are listed as holes. If no arm has one, the leaderboard has no rows.

    Raises
    ------
    DataError
        If the records stem from different data, if arms were scored on different cells, or if a recorded score
        is not what its predictions give.
    """
    refuse_mixed_data(records)
    names = _arm_names(records, facts)
    found = {arm: confirmed_arm(records, predictions, arm=arm) for arm in names}
    holes = tuple(hole for _, arm_holes in found.values() for hole in arm_holes)
    arms = [confirmed for confirmed, _ in found.values() if confirmed is not None]
    failures = failure_groups(records)
    if not arms:
        return _without_rows(records, holes=holes, failures=failures)
    protocols = {a.arm: a.protocol(preferred=facts.objective_protocol) for a in arms}
    comparison = compare(arms, predictions, protocols=protocols)
    rows = _rows(arms, comparison, records=records, facts=facts, protocols=protocols)
    return Leaderboard(
        rows=rows,
        verdict=verdict(rows, comparison, facts=facts),
        unit=comparison.unit,
        stamp=stamp(comparison.cells),
        reference=next((row.arm for row in rows if row.is_reference), None),
        protocols=tuple(sorted({name for arm in arms for name in arm.validation})),
        notes=notes_on(rows, facts=facts),
        holes=(*holes, *short_arms(rows, facts=facts)),
        failures=failures,
    )


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
    arms: Sequence[Confirmed],
    comparison: Comparison,
    *,
    records: Sequence[TrialRecord],
    facts: SweepFacts,
    protocols: Mapping[str, str],
) -> tuple[Row, ...]:
    ordered = sorted(arms, key=lambda a: (-comparison.scores[a.arm].mean, a.arm))
    ranks = shared_ranks([a.arm for a in ordered], comparison)
    reference = best_by_validation(
        {a.arm: a.validation[protocols[a.arm]] for a in arms if a.regime == "supervised"}
    )
    return tuple(
        Row(
            rank=rank,
            arm=arm.arm,
            method=arm.method,
            regime=arm.regime,
            protocol=protocols[arm.arm],
            chosen_by=MetricKey.parse(arm.chosen.objective).task,
            test=comparison.estimate(arm.arm),
            difference=(
                comparison.difference(arm.arm, reference)
                if reference is not None and arm.arm != reference
                else None
            ),
            is_reference=arm.arm == reference,
            validation=arm.validation[protocols[arm.arm]],
            test_by_protocol=comparison.by_protocol[arm.arm],
            seeds=tuple(int(r.config["seed"]) for r in arm.records),
            uids=tuple(r.uid for r in arm.records),
            effort=search_effort(records, arm=arm.arm, facts=facts),
            recipe=arm.chosen.recipe,
            params=arm.chosen.params,
            n_test_openings=arm.n_test_openings,
        )
        for rank, arm in zip(ranks, ordered, strict=True)
    )


def _arm_names(records: Sequence[TrialRecord], facts: SweepFacts) -> list[str]:
    """Return the planned arms in the order of the sweep file, then any other arm that has records."""
    names = [arm.name for arm in facts.arms]
    return names + sorted({r.arm for r in records} - set(names))


def _without_rows(
    records: Sequence[TrialRecord],
    *,
    holes: tuple[str, ...],
    failures: tuple[FailureGroup, ...],
) -> Leaderboard:
    return Leaderboard(
        rows=(),
        verdict=verdict_without_rows(records),
        unit="cells",
        stamp="",
        reference=None,
        protocols=(),
        holes=holes,
        failures=failures,
    )
