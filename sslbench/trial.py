"""One trial, from cells to scores: the whole experiment as one readable function."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from sslbench.checkpoint import save_checkpoint
from sslbench.collapse import monitor_of, refuse_collapse
from sslbench.config import TrialConfig
from sslbench.data.cells import Cells
from sslbench.data.sampling import part_of
from sslbench.data.store import open_cells, read_manifest
from sslbench.encoders.base import build_encoder, embed_cells, embed_rows
from sslbench.errors import DivergedError
from sslbench.evaluation.base import (
    Embedded,
    Evaluation,
    EvaluationTask,
    Fitted,
    Networks,
    build_evaluation,
)
from sslbench.pretext.base import Pretext, build_pretext
from sslbench.results import CurvePoint, MetricKey, TrialResult, scored_task
from sslbench.seeding import global_stream, numpy_generator
from sslbench.training import fit

OnReport = Callable[[CurvePoint], None]
# What a trial is chosen by: more cells than these cost more at every report than they add to the choice.
REFERENCE_CELLS, QUERY_CELLS = 8_000, 4_000
CHECKPOINT, PREDICTIONS = "checkpoint", "predictions.parquet"


def run_trial(
    config: TrialConfig,
    *,
    store: Path,
    workdir: Path,
    report: OnReport,
    device: str = "cpu",
    score_test: bool = False,
    provenance: dict[str, str] | None = None,
) -> TrialResult:
    """Pretrain and evaluate one encoder; the same config on the same store gives bit-equal scores on CPU.

    `report` receives a point of the curve at every evaluation and may raise to stop the trial. Test cells
    are opened only if `score_test`; then all cells count, while what a trial is stopped and chosen by is
    scored on a fixed part of them (at most `REFERENCE_CELLS` of train, `QUERY_CELLS` of val), and the
    checkpoint and the test predictions are written to `workdir`.

    Raises
    ------
    DivergedError
        If a loss, an embedding or a score is not finite.
    CollapsedError
        If cells lose their differences in the embedding of a task whose embedding can collapse; that report
        is not scored.
    """
    started = time.monotonic()
    train, val = open_cells(store, "train"), open_cells(store, "val")
    reference, query = part_of(train, about=REFERENCE_CELLS), part_of(val, about=QUERY_CELLS)

    pretext = build(config, train, device=device)
    monitor = monitor_of(pretext.encoder, train, seed=config.seed, device=device)
    visible = train if pretext.sees_labels else train.without_labels()
    pretext.prepare(visible)
    tasks = evaluation_tasks(config, pretext, confirm=score_test)

    objective = Objective(config.objective, tasks)
    course = Course(started, patience=config.training.patience)

    def evaluate(updates: int, losses: dict[str, float]) -> bool:
        shape = monitor.shape(pretext.encoder)
        if pretext.can_collapse:
            refuse_collapse(shape, untrained=monitor.untrained, updates=updates)
        value = objective.score(pretext, reference, query, config.seed, device)
        values = losses | shape.values() | {config.objective: value}
        report(course.add(updates, values, value, pretext))
        return not course.is_stale()

    if pretext.gradient_free:
        evaluate(0, {})
    else:
        fit(pretext, visible, config.training, seed=config.seed, device=device, on_report=evaluate)

    pretext.load_state_dict(course.best_weights)
    if score_test:
        reference, query = train, val
    known, new = embedded(pretext, reference, device), embedded(pretext, query, device)
    fitted = fitted_tasks(tasks, known, new, config.seed)
    scores = scored("val", fitted, new).scores
    if score_test:
        test = open_cells(store, "test")
        on_test = scored("test", fitted, embedded(pretext, test, device))
        scores |= on_test.scores
        predictions_frame(test, on_test.predicted).to_parquet(workdir / PREDICTIONS, index=False)
        keep_checkpoint(
            workdir / CHECKPOINT, config, pretext, train, scores, store, provenance or {}
        )
    return TrialResult(
        scores=finite(scores),
        best_updates=course.best_updates,
        updates=course.curve[-1].updates,
        seconds=time.monotonic() - started,
        curve=tuple(course.curve),
        n_parameters=sum(p.numel() for p in pretext.encoder.parameters()),
        regime=pretext.regime,
    )


def build(config: TrialConfig, train: Cells, *, device: str) -> Pretext:
    """Build the encoder and its pretext task with weights drawn from the trial's own stream."""
    with global_stream(config.seed, "init"):
        encoder = build_encoder(config.encoder.name, config.encoder.options, n_genes=train.n_genes)
        pretext = build_pretext(
            config.pretext.name,
            config.pretext.options,
            encoder=encoder,
            genes=train.genes,
            label_names=train.label_names,
        )
    return pretext.to(device)


def evaluation_tasks(
    config: TrialConfig, pretext: Pretext, *, confirm: bool
) -> dict[str, EvaluationTask]:
    """Return the tasks of the config that this pretext task can be scored by, by their names in metric keys.

    Tasks that are too expensive for the search are there only if `confirm`.
    """
    built = [(e.name, build_evaluation(e.name, e.options)) for e in config.evaluation]
    has = parts_of(pretext)
    return {
        scored_task(name, of=task.of): task
        for name, task in built
        if has.issuperset(task.needs_of_arm)
        and (task.of == "encoder" or pretext.projector is not None)
        and (confirm or not task.confirm_only)
    }


def parts_of(pretext: Pretext) -> set[str]:
    """Return what of `needs_of_arm` a pretext task has."""
    parts = {"classifier": pretext.classifier, "decoder": pretext.reconstruct}
    return {name for name, part in parts.items() if part is not None}


@dataclass
class Objective:
    """The one validation score that stops, keeps and chooses."""

    key: str
    tasks: dict[str, EvaluationTask]

    def score(self, pretext: Pretext, train: Cells, val: Cells, seed: int, device: str) -> float:
        """Return the objective's value for the weights as they are now."""
        split, name, metric = MetricKey.parse(self.key)
        known, new = embedded(pretext, train, device), embedded(pretext, val, device)
        fitted = fitted_tasks({name: self.tasks[name]}, known, new, seed)
        return finite(scored(split, fitted, new).scores)[f"{split}/{name}/{metric}"]


@dataclass
class Course:
    """The curve so far, and the weights of its best point."""

    started: float
    patience: int
    curve: list[CurvePoint] = field(default_factory=list)
    best: float = -math.inf
    best_updates: int = 0
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)

    def add(
        self, updates: int, values: dict[str, float], objective: float, pretext: Pretext
    ) -> CurvePoint:
        """Note one report, and keep a copy of the weights if it is the best."""
        now = time.time_ns() // 1_000_000
        point = CurvePoint(
            updates=updates,
            seconds=time.monotonic() - self.started,
            unix_ms=now,
            values=finite(values),
        )
        self.curve.append(point)
        if objective > self.best:
            self.best, self.best_updates = objective, updates
            self.best_weights = copy.deepcopy(pretext.state_dict())
        return point

    def is_stale(self) -> bool:
        """Say whether the last `patience` reports brought nothing better."""
        since = [p for p in self.curve if p.updates > self.best_updates]
        return len(since) >= self.patience


def embedded(pretext: Pretext, cells: Cells, device: str) -> Embedded:
    """Return the cells' embedding, and what the task's own classifier and projector make of it."""
    z = embed_cells(pretext.encoder, cells, device=device)
    logits, projected = (
        embed_rows(part, z, device=device) if part is not None else None
        for part in (pretext.classifier, pretext.projector)
    )
    assert cells.label is not None
    return Embedded(
        z=z,
        label=cells.label,
        label_names=cells.label_names,
        logits=logits,
        projected=projected,
        cells=cells,
        networks=Networks(encoder=pretext.encoder, reconstruct=pretext.reconstruct, device=device),
    )


@dataclass(frozen=True)
class Scored:
    """Scores by metric key, and by task what their intervals are made of."""

    scores: dict[str, float]
    predicted: dict[str, np.ndarray]
    per_unit: dict[str, np.ndarray]


def fitted_tasks(
    tasks: dict[str, EvaluationTask], train: Embedded, val: Embedded, seed: int
) -> dict[str, Fitted]:
    """Fit every task on training cells, each with a random stream of its own."""
    return {
        name: task.fit(train=train, val=val, generator=numpy_generator(seed, f"evaluation/{name}"))
        for name, task in tasks.items()
    }


def scored(split: str, fitted: dict[str, Fitted], cells: Embedded) -> Scored:
    """Score cells by every fitted task."""
    outcomes: dict[str, Evaluation] = {name: of(cells) for name, of in fitted.items()}
    return Scored(
        {
            f"{split}/{n}/{m}": v
            for n, outcome in outcomes.items()
            for m, v in outcome.scores.items()
        },
        {n: o.predicted for n, o in outcomes.items() if o.predicted is not None},
        {n: o.per_unit for n, o in outcomes.items() if o.per_unit is not None},
    )


def predictions_frame(test: Cells, predicted: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return one row a test cell: row_id, donor, label and one column of codes a protocol."""
    columns = {"row_id": test.row_ids, "donor": test.donor.astype(str), "label": test.label}
    return pd.DataFrame(columns | {f"predicted/{name}": codes for name, codes in predicted.items()})


def keep_checkpoint(
    folder: Path,
    config: TrialConfig,
    pretext: Pretext,
    train: Cells,
    scores: dict[str, float],
    store: Path,
    provenance: dict[str, str],
) -> None:
    """Write the folder that explains itself."""
    manifest = read_manifest(store)
    save_checkpoint(
        folder,
        encoder=pretext.encoder,
        classifier=pretext.classifier,
        config=config,
        genes=train.genes,
        label_names=train.label_names,
        scores=scores,
        provenance=provenance,
        data={
            "dataset": manifest.dataset,
            "data_fingerprint": manifest.fingerprint,
            "source": manifest.source,
            "licence": manifest.licence,
            "citation": manifest.citation,
        },
    )


def finite(values: dict[str, float]) -> dict[str, float]:
    """Return the values as they are; raise DivergedError naming the first that is NaN or infinite."""
    for name, value in values.items():
        if not math.isfinite(value):
            raise DivergedError(f"{name} is {value}")
    return values
