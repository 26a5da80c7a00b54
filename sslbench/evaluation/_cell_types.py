"""What the protocols of cell-type prediction share: their scores, their reference cells, their refusal of NaN."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sslbench.config import EmbeddingOf
from sslbench.data.cells import UNLABELLED
from sslbench.errors import DivergedError
from sslbench.evaluation.base import Embedded, Evaluation
from sslbench.metrics.classification import accuracy, balanced_accuracy, macro_f1, weighted_f1
from sslbench.results import Direction

CELL_TYPE_METRICS: Mapping[str, Direction] = {
    "macro_f1": "max",
    "weighted_f1": "max",
    "accuracy": "max",
    "balanced_accuracy": "max",
}


def cell_type_evaluation(predicted: np.ndarray, score_on: Embedded) -> Evaluation:
    """Score the label codes predicted for all cells of `score_on`, (n_cells,), on the labelled ones."""
    truth, n_labels = score_on.label, len(score_on.label_names)
    scores = {
        "macro_f1": macro_f1(truth=truth, predicted=predicted, n_labels=n_labels),
        "weighted_f1": weighted_f1(truth=truth, predicted=predicted, n_labels=n_labels),
        "accuracy": accuracy(truth=truth, predicted=predicted, n_labels=n_labels),
        "balanced_accuracy": balanced_accuracy(truth=truth, predicted=predicted, n_labels=n_labels),
    }
    return Evaluation(scores=scores, predicted=predicted.astype(np.int64))


def labelled_reference(
    fit_on: Embedded, *, of: EmbeddingOf = "encoder"
) -> tuple[np.ndarray, np.ndarray]:
    """Return finite z (n_cells, n_dimensions) float64 and label codes (n_cells,) of the labelled cells.

    Raises
    ------
    ValueError
        If no cell is labelled: there is nothing to learn from.
    DivergedError
        If z of any cell, labelled or not, is NaN or infinite.
    """
    z = finite(fit_on.output(of), of="the embedding of the training cells")
    labelled = labelled_positions(fit_on)
    return z[labelled], fit_on.label[labelled].astype(np.int64)


def labelled_positions(fit_on: Embedded) -> np.ndarray:
    """Return the positions (n,) of the labelled training cells; raise ValueError if there are none."""
    labelled = np.flatnonzero(fit_on.label != UNLABELLED)
    if not labelled.size:
        raise ValueError(f"none of the {len(fit_on.label)} training cells is labelled; label some")
    return labelled


def finite(values: np.ndarray, *, of: str) -> np.ndarray:
    """Return `values` as float64; raise DivergedError if one is NaN or infinite, so that it is never scored."""
    n_bad = int(np.count_nonzero(~np.isfinite(values)))
    if n_bad:
        raise DivergedError(f"{n_bad} of {values.size} values of {of} are not finite")
    return values.astype(np.float64)
