"""How well do predicted cell types agree with the true ones? Plain functions of label codes.

Every function takes `truth` and `predicted`, integer codes (n_cells,) into the data set's fixed label set of
`n_labels` names. Cells whose truth is -1 are unlabelled and left out. An average over labels runs over the
labels that at least one scored cell truly has: the split is fixed, so this set is the same for every method
and never depends on a prediction. A prediction outside that set is an error of its cell, not one more label
with F1 0. All scores lie in [0, 1]; higher is better. All functions raise ValueError where no cell is
labelled, where the arrays differ in length or where a code lies outside the label set.
"""

from __future__ import annotations

import numpy as np

UNLABELLED = -1


def confusion_matrix(*, truth: np.ndarray, predicted: np.ndarray, n_labels: int) -> np.ndarray:
    """Count labelled cells by true label (row) and predicted label (column): (n_labels, n_labels) int64."""
    truth, predicted = _labelled(truth, predicted, n_labels)
    cells = np.bincount(truth * n_labels + predicted, minlength=n_labels * n_labels)
    return cells.reshape(n_labels, n_labels).astype(np.int64)


def per_class_f1(*, truth: np.ndarray, predicted: np.ndarray, n_labels: int) -> np.ndarray:
    """Return F1 = 2TP / (2TP + FP + FN) of each label, (n_labels,) float64; NaN where no scored cell has it."""
    confusion = confusion_matrix(truth=truth, predicted=predicted, n_labels=n_labels)
    true_cells, predicted_cells = confusion.sum(axis=1), confusion.sum(axis=0)
    f1 = np.full(n_labels, np.nan)
    here = true_cells > 0
    f1[here] = 2 * np.diag(confusion)[here] / (true_cells + predicted_cells)[here]
    return f1


def macro_f1(*, truth: np.ndarray, predicted: np.ndarray, n_labels: int) -> float:
    """Average F1 over the labels among the scored cells: a rare type weighs as much as a common one."""
    return float(np.nanmean(per_class_f1(truth=truth, predicted=predicted, n_labels=n_labels)))


def weighted_f1(*, truth: np.ndarray, predicted: np.ndarray, n_labels: int) -> float:
    """Average F1 over labels, each weighted by its number of true cells."""
    f1 = per_class_f1(truth=truth, predicted=predicted, n_labels=n_labels)
    support = np.bincount(truth[truth != UNLABELLED], minlength=n_labels)
    return float(np.average(f1[support > 0], weights=support[support > 0]))


def accuracy(*, truth: np.ndarray, predicted: np.ndarray, n_labels: int) -> float:
    """Return the fraction of labelled cells whose predicted label is the true one."""
    truth, predicted = _labelled(truth, predicted, n_labels)
    return float(np.mean(truth == predicted))


def balanced_accuracy(*, truth: np.ndarray, predicted: np.ndarray, n_labels: int) -> float:
    """Average, over the labels among the scored cells, the fraction of a label's cells predicted right."""
    confusion = confusion_matrix(truth=truth, predicted=predicted, n_labels=n_labels)
    true_cells = confusion.sum(axis=1)
    here = true_cells > 0
    return float(np.mean(np.diag(confusion)[here] / true_cells[here]))


def _labelled(
    truth: np.ndarray, predicted: np.ndarray, n_labels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return truth and prediction of the labelled cells as int64, codes checked."""
    if truth.shape != predicted.shape or truth.ndim != 1:
        raise ValueError(
            "truth and predicted must both be (n_cells,), "
            f"got {truth.shape} and {predicted.shape}; predict every scored cell once"
        )
    scored = truth != UNLABELLED
    if not scored.any():
        raise ValueError(f"none of the {truth.size} cells is labelled; score labelled cells")
    truth, predicted = truth[scored].astype(np.int64), predicted[scored].astype(np.int64)
    for name, codes in (("truth", truth), ("predicted", predicted)):
        if codes.min() < 0 or codes.max() >= n_labels:
            raise ValueError(
                f"{name} must hold codes in [0, {n_labels}), got {codes.min()} to {codes.max()}; "
                "encode labels by the data set's label_names"
            )
    return truth, predicted
