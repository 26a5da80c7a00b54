"""Made-up sweeps whose objective is not macro F1, whose cells have no labels, or that have further label shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from sslbench.leaderboard.facts import JudgedTask, LabelShare
from sslbench.results import MetricKey, TrialRecord, suffix_at
from tests.sslbench.leaderboard.fake_sweep import (
    ARMS,
    LABELS,
    OBJECTIVE,
    FakeArm,
    FakeSweep,
    fake_sweep,
    reference_macro_f1,
)

N_RESAMPLES = 400


def sweep_judged_by(
    objective: str,
    arms: Sequence[FakeArm] = ARMS,
    *,
    donors: Sequence[str] = ("a", "b", "c"),
    n_units: int | None = None,
    kind: str | None = None,
) -> FakeSweep:
    """Return a sweep of another objective; units are donors, resamples of one donor's cells, or none if `n_units` is 0.

    `kind` is what their columns say that they are; those of older trials say nothing.
    """
    sweep, key = fake_sweep(arms, donors=donors), MetricKey.parse(objective)
    if n_units is None:
        n_units = len(donors) if len(donors) > 1 else N_RESAMPLES
    records = [_renamed(record, objective) for record in sweep.records]
    of_unit = np.random.default_rng(5).normal(0, 0.08, n_units)  # shared by all arms and seeds
    units, scored = {}, []
    for record in records:
        if record.stage == "confirm":
            generator = np.random.default_rng([len(record.uid), *record.uid.encode()])
            accuracy = next(arm.accuracy for arm in arms if arm.name == record.arm)
            level = accuracy - 0.4 + generator.normal(0, 0.01)
            if n_units:
                noise = generator.normal(0, 0.01, n_units)
                column = f"{kind}/{key.task}" if kind else key.task
                units[record.uid] = pd.DataFrame({column: level + of_unit + noise})
            record = with_scores(record, {str(key._replace(split="test")): level})
        scored.append(record)
    facts = replace(
        sweep.facts,
        objective=objective,
        tasks=(JudgedTask(name=key.task, metrics={key.metric: "max", "mse": "min"}),),
    )
    return FakeSweep(scored, sweep.predictions, facts, units)


def unlabelled(sweep: FakeSweep) -> FakeSweep:
    """Return the same sweep on cells without labels: no predicted labels, no macro F1."""
    predictions = {
        uid: frame[["row_id", "donor"]].assign(label=-1) for uid, frame in sweep.predictions.items()
    }
    records = []
    for record in sweep.records:
        if record.result is not None:
            kept = {k: v for k, v in record.result.scores.items() if not k.endswith("macro_f1")}
            record = record.model_copy(
                update={"result": record.result.model_copy(update={"scores": kept})}
            )
        records.append(record)
    return FakeSweep(
        records, predictions, replace(sweep.facts, label_names=(), excluded_labels=()), sweep.units
    )


def with_shares(
    sweep: FakeSweep,
    accuracy: Mapping[float, Mapping[str, float]],
    *,
    lost: Mapping[float, tuple[str, ...]] | None = None,
) -> FakeSweep:
    """Return the sweep with predictions and scores at further shares of the labels: share → arm → accuracy."""
    predictions, records = dict(sweep.predictions), list(sweep.records)
    for i, record in enumerate(records):
        for share, of_arm in accuracy.items():
            if record.stage == "confirm" and record.arm in of_arm:
                end, frame = suffix_at(share), predictions[record.uid]
                generator = np.random.default_rng([i, round(100 * share)])
                label = frame["label"].to_numpy()
                right = generator.random(len(label)) < of_arm[record.arm]
                guessed = np.where(right, label.clip(0), (label + 1) % len(LABELS))
                predictions[record.uid] = frame.assign(**{f"predicted{end}/knn": guessed})
                scored = predictions[record.uid].assign(**{"predicted/again": guessed})
                test = reference_macro_f1(scored, "again")
                validation = of_arm[record.arm] + 0.001 * (i % 3)
                record = with_scores(
                    record,
                    {f"val/knn/macro_f1{end}": validation, f"test/knn/macro_f1{end}": test},
                )
        records[i] = record
    asked = sorted({*accuracy, *(lost or {})})
    shares = tuple(
        LabelShare(
            fraction=share,
            suffix=suffix_at(share),
            n_labels=round(900 * share),
            lost=(lost or {}).get(share, ()),
        )
        for share in asked
    )
    return FakeSweep(
        records, predictions, replace(sweep.facts, label_shares=shares, n_labels=900), sweep.units
    )


def _renamed(record: TrialRecord, objective: str) -> TrialRecord:
    """Return the record with another objective in place of kNN macro F1."""
    test = str(MetricKey.parse(objective)._replace(split="test"))
    text = record.model_dump_json().replace(OBJECTIVE, objective)
    return TrialRecord.model_validate_json(text.replace("test/knn/macro_f1", test))


def with_scores(record: TrialRecord, more: Mapping[str, float]) -> TrialRecord:
    """Return the record of a finished trial with further scores."""
    assert record.result is not None
    scores = {**record.result.scores, **more}
    return record.model_copy(update={"result": record.result.model_copy(update={"scores": scores})})
