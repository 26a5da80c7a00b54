"""Embeddings that someone else made, on the same cells: beside the ranking, and no part of what it decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from sslbench.leaderboard.board import ExternalRow, StaleRow
from sslbench.leaderboard.comparison import compare
from sslbench.leaderboard.facts import SweepFacts
from sslbench.leaderboard.freshness import made_with, parted
from sslbench.leaderboard.predictions import TestFrames
from sslbench.leaderboard.selection import Confirmed
from sslbench.leaderboard.standing import Standing
from sslbench.results import MetricKey, TrialRecord


@dataclass(frozen=True, kw_only=True)
class External:
    """One embedding as it was scored: by the protocols that need nothing but it and labels."""

    record: TrialRecord  # a confirm trial that trained nothing
    obsm: str
    saw_dataset: str  # whether what made it was trained on these cells: "yes", "no" or "unknown"
    command: str
    predictions: pd.DataFrame  # of the test cells, as confirm trials leave them
    units: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What stands beside a ranking."""

    rows: tuple[ExternalRow, ...]  # best first
    stale: tuple[StaleRow, ...]
    holes: tuple[str, ...]


def beside_ranking(
    externals: Sequence[External],
    standing: Standing | None,
    frames: TestFrames,
    facts: SweepFacts,
) -> Beside:
    """Return a row for each external embedding that can be compared, with its difference to the reference.

    An embedding is one draw: its interval is over cells or donors alone. The ranking is the same without it.
    """
    split = parted([external.record for external in externals], facts)
    commands = {external.record.arm: external.command for external in externals}
    stale = tuple(replace(row, refresh=f"{commands[row.arm]} --force") for row in split.stale)
    uids = {record.uid for record in split.fresh}
    fresh = [external for external in externals if external.record.uid in uids]
    known = {e.record.uid: _confirmed(e, facts) for e in fresh}
    holes = tuple(
        f"{e.record.arm}: external, and not scored by {facts.measure().metric.words}"
        for e in fresh
        if not known[e.record.uid].validation
    )
    shown = [e for e in fresh if known[e.record.uid].validation]
    rows = [_row(e, known[e.record.uid], standing, frames, facts) for e in shown]
    ordered = tuple(sorted(rows, key=lambda row: (-row.test.mean, row.name)))
    return Beside(rows=ordered, stale=stale, holes=holes)


def external_notes(rows: Sequence[ExternalRow]) -> Iterator[str]:
    """Yield what a reader must know of external rows."""
    if rows:
        yield (
            "external rows are embeddings made elsewhere, outside of this sweep's budget, seeds and choices: "
            "they have no rank, are no reference and decide no verdict; their intervals know no luck of a seed"
        )
    said = [f"{row.name} (saw_dataset: {row.saw_dataset})" for row in rows]
    if said:
        yield f"whether they were trained on these cells, test cells included, is their owners' word: {', '.join(said)}"


def _confirmed(external: External, facts: SweepFacts) -> Confirmed:
    record, measure = external.record, facts.measure()
    scores = record.result.scores if record.result is not None else {}
    named = {key: measure.task_of(MetricKey.parse(key)) for key in scores}
    validation = {
        task: scores[key]
        for key, task in named.items()
        if task is not None
        and MetricKey.parse(key).split == "val"
        and measure.key("test", task) in scores
    }
    return Confirmed(
        arm=record.arm, chosen=record, records=(record,), validation=validation, n_test_openings=1
    )


def _row(
    external: External,
    arm: Confirmed,
    standing: Standing | None,
    frames: TestFrames,
    facts: SweepFacts,
) -> ExternalRow:
    reference = standing.best(facts.baselines) if standing is not None else None
    rivals = [a for a in standing.arms if a.arm == reference] if standing is not None else []
    protocols = {arm.arm: arm.protocol(preferred=facts.preferred_protocols)}
    if standing is not None and reference is not None:
        protocols[reference] = standing.protocols[reference]
    uid = external.record.uid
    both = TestFrames(
        predictions={**frames.predictions, uid: external.predictions},
        units={**frames.units, uid: external.units},
    )
    comparison = compare([arm, *rivals], both, protocols=protocols, measure=facts.measure())
    return ExternalRow(
        name=arm.arm,
        obsm=external.obsm,
        saw_dataset=external.saw_dataset,
        protocol=protocols[arm.arm],
        test=comparison.estimate(arm.arm),
        difference=comparison.difference(arm.arm, reference) if reference is not None else None,
        validation=arm.validation[protocols[arm.arm]],
        test_by_protocol=comparison.by_protocol[arm.arm],
        made_with=made_with([external.record]),
    )
