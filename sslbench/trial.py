"""One trial, from cells to scores: the whole experiment as one readable function."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from sslbench.checkpoint import save_checkpoint
from sslbench.collapse import monitor_of, refuse_collapse
from sslbench.config import TrialConfig
from sslbench.data.cells import Cells
from sslbench.data.labels import LabelPoint, label_points
from sslbench.data.sampling import part_of
from sslbench.data.store import open_cells, read_manifest
from sslbench.encoders.base import build_encoder
from sslbench.pretext.base import Pretext, build_pretext
from sslbench.registry import PRETEXTS
from sslbench.results import CurvePoint, MetricKey, TrialResult
from sslbench.scoring import (
    embedded,
    evaluation_tasks,
    finite,
    fitted_tasks,
    judge,
    predictions_frame,
    scored,
    units_frame,
)
from sslbench.seeding import global_stream
from sslbench.training import fit

OnReport = Callable[[CurvePoint], None]
# What a trial is chosen by: more cells than these cost more at every report than they add to the choice.
REFERENCE_CELLS, QUERY_CELLS = 8_000, 4_000
CHECKPOINT, PREDICTIONS, UNITS = "checkpoint", "predictions.parquet", "units.parquet"


def run_trial(
    config: TrialConfig,
    *,
    store: Path,
    workdir: Path,
    report: OnReport,
    corpus: Path | None = None,
    device: str = "cpu",
    score_test: bool = False,
    provenance: dict[str, str] | None = None,
) -> TrialResult:
    """Pretrain and evaluate one encoder; the same config on the same store gives bit-equal scores on CPU.

    `report` receives a point of the curve at every evaluation and may raise to stop the trial. The encoder is
    pretrained on the store `corpus` if the config names one, else on the training cells of `store`. Test cells
    are opened only if `score_test`; then all cells count, while what a trial is stopped and chosen by is
    scored on a fixed part of them (at most `REFERENCE_CELLS` of train, `QUERY_CELLS` of val), scores at each of
    `label_fractions` are added, and the checkpoint and the test predictions are written to `workdir`.

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
    points = label_points(
        train,
        val,
        fraction=config.label_fraction,
        further=config.label_fractions if score_test else (),
        seed=config.seed,
    )
    cells = open_cells(corpus, "train") if corpus is not None else None
    groups = [points] if not learns_from_labels(config) else [[point] for point in points]
    test = open_cells(store, "test") if score_test else None
    judged, main = [], None
    for group in groups:
        told = report if main is None else _unheard
        trained = pretrained(config, group, cells=cells, device=device, report=told)
        main = main or trained
        for point in group:
            trained.pretext.load_state_dict(trained.courses[point.fraction].best_weights)
            seen = part(point) if test is None else point
            judged.append(judge(config, trained.pretext, seen, test=test, device=device))
    assert main is not None
    course = main.courses[config.label_fraction]
    scores = {key: value for one in judged for key, value in one.scores.items()}
    if test is not None:
        predictions_frame(test, judged).to_parquet(workdir / PREDICTIONS, index=False)
        units_frame(judged).to_parquet(workdir / UNITS, index=False)
        main.pretext.load_state_dict(course.best_weights)
        keep_checkpoint(
            workdir / CHECKPOINT, config, main.pretext, train, scores, store, provenance or {}
        )
    return TrialResult(
        scores=scores,
        best_updates=course.best_updates,
        updates=course.curve[-1].updates,
        seconds=time.monotonic() - started,
        curve=tuple(course.curve),
        n_parameters=sum(p.numel() for p in main.pretext.encoder.parameters()),
        regime=main.pretext.regime,
    )


def learns_from_labels(config: TrialConfig) -> bool:
    """Say whether the encoder itself learns from labels, so that fewer of them are another encoder."""
    return bool(PRETEXTS.constant(config.pretext.name, "sees_labels"))


def part(point: LabelPoint) -> LabelPoint:
    """Return the same fixed part of a label point's cells for all trials, or all if there are few."""
    return replace(
        point,
        train=part_of(point.train, about=REFERENCE_CELLS),
        val=part_of(point.val, about=QUERY_CELLS),
    )


def _unheard(point: CurvePoint) -> None:
    """Take a report of a further label point: the trial is stopped and shown by its first alone."""


@dataclass(frozen=True)
class Pretrained:
    """One pretraining and its course as judged at each label point that it serves, by fraction."""

    pretext: Pretext
    courses: dict[float, Course]


def pretrained(
    config: TrialConfig,
    points: Sequence[LabelPoint],
    *,
    cells: Cells | None,
    device: str,
    report: OnReport,
) -> Pretrained:
    """Train once, on `cells` or else on the training cells of the points, and keep the best weights by each.

    The first point is what is reported, and what ends the training.
    """
    train = points[0].train if cells is None else cells
    pretext = build(config, train, label_names=points[0].train.label_names, device=device)
    monitor = monitor_of(pretext.encoder, train, seed=config.seed, device=device)
    visible = train if pretext.sees_labels else train.without_labels()
    pretext.prepare(visible)
    objectives = {point.fraction: Objective(config, pretext, point, device) for point in points}
    started = time.monotonic()
    courses = {f: Course(started, patience=config.training.patience) for f in objectives}
    first = points[0].fraction

    def evaluate(updates: int, losses: dict[str, float]) -> bool:
        shape = monitor.shape(pretext.encoder)
        if pretext.can_collapse:
            refuse_collapse(shape, untrained=monitor.untrained, updates=updates)
        for fraction, objective in objectives.items():
            value = objective.score()
            values = losses | shape.values() | {config.objective: value}
            point = courses[fraction].add(updates, values, value, pretext)
            if fraction == first:
                report(point)
        return not courses[first].is_stale()

    if pretext.gradient_free:
        evaluate(0, {})
    else:
        fit(pretext, visible, config.training, seed=config.seed, device=device, on_report=evaluate)
    return Pretrained(pretext, courses)


def build(
    config: TrialConfig, train: Cells, *, label_names: tuple[str, ...], device: str
) -> Pretext:
    """Build the encoder and its pretext task with weights drawn from the trial's own stream."""
    with global_stream(config.seed, "init"):
        encoder = build_encoder(config.encoder.name, config.encoder.options, n_genes=train.n_genes)
        pretext = build_pretext(
            config.pretext.name,
            config.pretext.options,
            encoder=encoder,
            genes=train.genes,
            label_names=label_names,
        )
    return pretext.to(device)


class Objective:
    """The one validation score that stops, keeps and chooses, on a fixed part of a label point's cells."""

    def __init__(
        self, config: TrialConfig, pretext: Pretext, point: LabelPoint, device: str
    ) -> None:
        self.key, self.seed, self.pretext, self.device = (
            config.objective, config.seed, pretext, device,
        )  # fmt: skip
        self.tasks = evaluation_tasks(config, pretext, confirm=False)
        seen = part(point)
        self.train, self.val = seen.train, seen.val

    def score(self) -> float:
        """Return the objective's value for the weights as they are now."""
        split, name, metric = MetricKey.parse(self.key)
        known, new = (embedded(self.pretext, c, self.device) for c in (self.train, self.val))
        fitted = fitted_tasks({name: self.tasks[name]}, known, new, self.seed)
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
