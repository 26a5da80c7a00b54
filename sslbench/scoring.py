"""What a trained arm is worth: embed cells, fit every evaluation task on training cells, score the others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from sslbench.config import TrialConfig
from sslbench.data.cells import Cells
from sslbench.data.labels import LabelPoint
from sslbench.data.sampling import part_of
from sslbench.encoders.base import embed_cells, embed_rows
from sslbench.errors import DataError, DivergedError
from sslbench.evaluation.base import (
    Embedded,
    Evaluation,
    EvaluationTask,
    Fitted,
    Networks,
    build_evaluation,
)
from sslbench.pretext.base import Pretext
from sslbench.results import scored_task
from sslbench.seeding import numpy_generator

MAP_CELLS = 1_000  # test cells whose embedding is kept to draw a map of: more dots hide each other
MAP_DIMENSIONS = 1_024  # 4 MB a trial


def evaluation_tasks(
    config: TrialConfig, pretext: Pretext, *, confirm: bool
) -> dict[str, EvaluationTask]:
    """Return the tasks of the config that this pretext task can be scored by, by their names in metric keys.

    Tasks that are too expensive for the search are there only if `confirm`. A task without an embedding of its own is
    scored by its classifier alone.
    """
    built = [(e.name, build_evaluation(e.name, e.options)) for e in config.evaluation]
    has = parts_of(pretext)
    return {
        scored_task(name, of=task.of): task
        for name, task in built
        if has.issuperset(task.needs_of_arm)
        and (pretext.embeds or "classifier" in task.needs_of_arm)
        and (task.of == "encoder" or pretext.projector is not None)
        and (confirm or not task.confirm_only)
        and not (task.of_blind_arms and pretext.sees_labels)
    }


def parts_of(pretext: Pretext) -> set[str]:
    """Return what of `needs_of_arm` a pretext task has."""
    parts = {
        "encoder": pretext.encoder,
        "classifier": pretext.classifier,
        "decoder": pretext.reconstruct,
    }
    return {name for name, part in parts.items() if part is not None}


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
    per_unit: dict[str, np.ndarray]  # by kind of unit and task: `donors/reconstruction`


def fitted_tasks(
    tasks: dict[str, EvaluationTask], train: Embedded, val: Embedded, seed: int
) -> dict[str, Fitted]:
    """Fit every task on training cells, each with a random stream of its own."""
    return {
        name: task.fit(train=train, val=val, generator=numpy_generator(seed, f"evaluation/{name}"))
        for name, task in tasks.items()
    }


def scored(
    split: str, fitted: Mapping[str, Fitted], cells: Embedded, *, suffix: str = ""
) -> Scored:
    """Score cells by every fitted task; `suffix` ends the names of the metrics."""
    outcomes: dict[str, Evaluation] = {name: of(cells) for name, of in fitted.items()}
    return Scored(
        {
            f"{split}/{name}/{metric}{suffix}": value
            for name, outcome in outcomes.items()
            for metric, value in outcome.scores.items()
        },
        {n: o.predicted for n, o in outcomes.items() if o.predicted is not None},
        {
            f"{outcome.unit}/{name}" if outcome.unit else name: outcome.per_unit
            for name, outcome in outcomes.items()
            if outcome.per_unit is not None
        },
    )


@dataclass(frozen=True)
class Judged:
    """Scores at one label point, what was predicted for test cells there, and what could not be scored, and why."""

    point: LabelPoint
    scores: dict[str, float]
    on_test: Scored | None
    holes: dict[str, str] = field(default_factory=dict)


def judge(
    config: TrialConfig, pretext: Pretext, point: LabelPoint, *, test: Cells | None, device: str
) -> Judged:
    """Fit every task on the training cells of a label point; score validation cells, and test cells if given.

    At a further label point only tasks that learn from labels are scored, and one that its labels are too few for is
    a hole; at the trial's own point that is an error.
    """
    tasks = evaluation_tasks(config, pretext, confirm=test is not None)
    train, val = (embedded(pretext, cells, device) for cells in (point.train, point.val))
    if point.suffix:
        tasks = {name: task for name, task in tasks.items() if task.needs_of_cells == ("labels",)}
    fitted: dict[str, Fitted] = {}
    holes: dict[str, str] = {}
    scores: dict[str, float] = {}
    for name, task in tasks.items():
        try:
            one = fitted_tasks({name: task}, train, val, config.seed)
            on_val = scored("val", one, val, suffix=point.suffix)
        except DataError as error:
            if not point.suffix:
                raise
            holes[name + point.suffix] = str(error)
        else:
            fitted |= one
            scores |= on_val.scores
    if test is None:
        return Judged(point, finite(scores), None)
    on_test = scored("test", fitted, embedded(pretext, test, device), suffix=point.suffix)
    return Judged(point, finite(scores | on_test.scores), on_test, holes)


def predictions_frame(test: Cells, judged: Sequence[Judged]) -> pd.DataFrame:
    """Return one row a test cell: row_id, donor, label, and one column of codes a protocol and label point."""
    columns = {"row_id": test.row_ids, "donor": test.donor.astype(str), "label": test.label}
    for one in judged:
        assert one.on_test is not None
        predicted = one.on_test.predicted
        columns |= {f"predicted{one.point.suffix}/{n}": codes for n, codes in predicted.items()}
    return pd.DataFrame(columns)


def units_frame(judged: Sequence[Judged]) -> pd.DataFrame:
    """Return the ranking score of each task without predicted labels, one row a unit: a donor, or a resample of cells.

    The name of a column says which of the two: `donors/reconstruction`, `cells/reconstruction`.
    """
    columns = {
        f"{name}{one.point.suffix}": pd.Series(values)
        for one in judged
        if one.on_test is not None
        for name, values in one.on_test.per_unit.items()
    }
    return pd.DataFrame(columns)


def has_map(pretext: Pretext) -> bool:
    """Say whether an embedding is the task's own and small enough to keep: expression itself is neither."""
    return pretext.embeds and pretext.encoder.embedding_dim <= MAP_DIMENSIONS


def embedding_frame(pretext: Pretext, test: Cells, device: str) -> pd.DataFrame:
    """Return row_id, batch and z0, z1, … of about `MAP_CELLS` test cells, the same ones for every trial."""
    cells = part_of(test, about=MAP_CELLS)
    z = embed_cells(pretext.encoder, cells, device=device)
    table = pd.DataFrame(z, columns=[f"z{i}" for i in range(z.shape[1])])
    table.insert(0, "row_id", cells.row_ids)
    table.insert(1, "batch", cells.batch.astype(str))
    return table


def finite(values: dict[str, float]) -> dict[str, float]:
    """Return the values as they are; raise DivergedError naming the first that is NaN or infinite."""
    for name, value in values.items():
        if not math.isfinite(value):
            raise DivergedError(f"{name} is {value}")
    return values
