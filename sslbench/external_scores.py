"""What an embedding that was made elsewhere is worth: by the tasks that need nothing but it and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from sslbench.config import EvaluationChoice
from sslbench.data.cells import Cells
from sslbench.data.labels import label_points
from sslbench.data.store import open_cells
from sslbench.evaluation.base import Embedded, EvaluationTask, build_evaluation
from sslbench.scoring import Judged, finite, fitted_tasks, predictions_frame, scored, units_frame


@dataclass(frozen=True, kw_only=True)
class ExternalScores:
    """Scores on validation and test cells, and what their intervals are made of."""

    scores: dict[str, float]
    predictions: pd.DataFrame
    units: pd.DataFrame


def tasks_of_embeddings(evaluation: Sequence[EvaluationChoice]) -> dict[str, EvaluationTask]:
    """Return the tasks that look at the embedding and at labels alone, and at no network of an arm."""
    built = [(given.name, build_evaluation(given.name, given.options)) for given in evaluation]
    return {name: task for name, task in built if _needs_only_z(task)}


def score_embedding(
    z: np.ndarray,
    store: Path,
    tasks: dict[str, EvaluationTask],
    *,
    label_fraction: float,
    seed: int,
) -> ExternalScores:
    """Score z (n_rows_of_the_store, n_dimensions), in the order of the store's rows, as a confirm trial is scored.

    The same cells, splits, label set and labels count as for every arm: what is fitted is fitted on training cells.

    Raises
    ------
    DivergedError
        If a score is not finite.
    """
    train, val = open_cells(store, "train"), open_cells(store, "val")
    (point,) = label_points(train, val, fraction=label_fraction, further=(), seed=seed)
    fitted = fitted_tasks(tasks, _seen(point.train, z), _seen(point.val, z), seed)
    test = open_cells(store, "test")
    on_val, on_test = (
        scored("val", fitted, _seen(point.val, z)),
        scored("test", fitted, _seen(test, z)),
    )
    scores = finite(on_val.scores | on_test.scores)
    judged = [Judged(point, scores, on_test)]
    return ExternalScores(
        scores=scores, predictions=predictions_frame(test, judged), units=units_frame(judged)
    )


def _needs_only_z(task: EvaluationTask) -> bool:
    return (
        not task.needs_of_arm
        and task.needs_of_cells == ("labels",)
        and task.of == "encoder"
        and not task.trains_encoder
    )


def _seen(cells: Cells, z: np.ndarray) -> Embedded:
    assert cells.label is not None
    return Embedded(
        z=z[cells.row_ids], label=cells.label, label_names=cells.label_names, cells=cells
    )
