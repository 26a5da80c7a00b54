"""One pretraining: from untrained weights to the best ones by a validation score, at each label point that it serves."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from sslbench.collapse import monitor_of, refuse_collapse
from sslbench.config import TrialConfig
from sslbench.data.cells import Cells
from sslbench.data.labels import LabelPoint
from sslbench.data.sampling import part_of
from sslbench.encoders.base import build_encoder
from sslbench.pretext.base import Pretext, build_pretext
from sslbench.registry import EVALUATIONS
from sslbench.results import CurvePoint, MetricKey
from sslbench.resumption import KeptPretraining
from sslbench.scoring import embedded, evaluation_tasks, finite, fitted_tasks, scored
from sslbench.seeding import global_stream
from sslbench.training import fit
from sslbench.training_state import State, joined

OnReport = Callable[[CurvePoint], None]
# What a trial is chosen by: more cells than these cost more at every report than they add to the choice.
REFERENCE_CELLS, QUERY_CELLS = 8_000, 4_000


def part(point: LabelPoint, *, objective: str) -> LabelPoint:
    """Return the same fixed part of a label point's cells for all trials, or all if there are few.

    Cells without a label are among them if the task of the objective needs none.
    """
    task = MetricKey.parse(objective).evaluation
    labelled = "labels" in EVALUATIONS.constant(task, "needs_of_cells")
    return replace(
        point,
        train=part_of(point.train, about=REFERENCE_CELLS, labelled=labelled),
        val=part_of(point.val, about=QUERY_CELLS, labelled=labelled),
    )


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
    kept: KeptPretraining | None = None,
) -> Pretrained:
    """Train once, on `cells` or else on the training cells of the points, and keep the best weights by each.

    The first point is what is reported; each is judged until its own patience ends, and training until the last.
    What an earlier attempt has left in `kept` is reported again and taken up, and this attempt leaves its own there.
    """
    train = points[0].train if cells is None else cells
    pretext = build(config, train, label_names=points[0].train.label_names, device=device)
    monitor = monitor_of(pretext.encoder, train, seed=config.seed, device=device)
    # with few labels, minibatches of all cells would hold hardly any for a loss of labels to learn from
    visible = train.labelled() if pretext.sees_labels else train.without_labels()
    pretext.prepare(visible)
    objectives = {point.fraction: Objective(config, pretext, point, device) for point in points}
    courses = {f: Course(config.objective, patience=config.training.patience) for f in objectives}
    first = points[0].fraction
    found = kept.read() if kept is not None and not pretext.gradient_free else None
    if found is not None:
        _take_up(courses, found)
        for point in courses[first].curve:
            report(point)

    def evaluate(updates: int, losses: dict[str, float]) -> bool:
        shape = monitor.shape(pretext.encoder)
        if pretext.can_collapse:
            refuse_collapse(shape, untrained=monitor.untrained, updates=updates)
        for fraction, objective in objectives.items():
            if courses[fraction].is_stale():
                continue
            values = losses | shape.values() | {config.objective: objective.score()}
            point = courses[fraction].add(updates, values, pretext)
            if fraction == first:
                report(point)
        return not all(course.is_stale() for course in courses.values())

    def keep(training: Callable[[], State]) -> None:
        if kept is not None:
            kept.offer(lambda: joined({"training": training(), "courses": _state(courses)}))

    since = found.part("training") if found is not None else None
    if pretext.gradient_free:
        evaluate(0, {})
    elif found is None or since is not None:
        fit(
            pretext,
            visible,
            config.training,
            seed=config.seed,
            device=device,
            on_report=evaluate,
            keep=keep,
            since=since,
        )
        if kept is not None:
            kept.end(lambda: joined({"courses": _state(courses)}))
    return Pretrained(pretext, courses)


def _state(courses: Mapping[float, Course]) -> State:
    return joined({str(fraction): course.state() for fraction, course in courses.items()})


def _take_up(courses: Mapping[float, Course], kept: State) -> None:
    """Make courses what they were when they were kept."""
    states = kept.part("courses")
    assert states is not None
    for fraction, course in courses.items():
        state = states.part(str(fraction))
        assert state is not None
        course.restore(state)


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
        seen = part(point, objective=config.objective)
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

    objective: str
    patience: int
    started: float = field(default_factory=time.monotonic)
    curve: list[CurvePoint] = field(default_factory=list)
    best: float = -math.inf
    best_updates: int = 0
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)

    def add(self, updates: int, values: dict[str, float], pretext: Pretext) -> CurvePoint:
        """Note one report, and keep a copy of the weights if it is the best."""
        now = time.time_ns() // 1_000_000
        point = CurvePoint(
            updates=updates,
            seconds=time.monotonic() - self.started,
            unix_ms=now,
            values=finite(values),
        )
        if self._note(point):
            self.best_weights = copy.deepcopy(pretext.state_dict())
        return point

    def state(self) -> State:
        """Return all of it but the patience, with the seconds that it took."""
        curve = [point.model_dump(mode="json") for point in self.curve]
        return State(
            self.best_weights, {"curve": curve, "seconds": time.monotonic() - self.started}
        )

    def restore(self, state: State) -> None:
        """Make an empty course what another one was."""
        for point in state.facts["curve"]:
            self._note(CurvePoint.model_validate(point))
        self.best_weights = state.tensors
        self.started = time.monotonic() - state.facts["seconds"]

    def _note(self, point: CurvePoint) -> bool:
        """Add a point; say whether it is the best."""
        self.curve.append(point)
        value = point.values[self.objective]
        if value <= self.best:
            return False
        self.best, self.best_updates = value, point.updates
        return True

    def is_stale(self) -> bool:
        """Say whether the last `patience` reports brought nothing better."""
        since = [p for p in self.curve if p.updates > self.best_updates]
        return len(since) >= self.patience
