"""Does a score tell positive cells from negative ones? Plain functions of arrays."""

from __future__ import annotations

import numpy as np


def auroc(score: np.ndarray, *, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve under each row of `weights` (n_units, n_cells): (n_units,) float64.

    The chance that a positive cell drawn by weight has a larger `score` (n_cells,) than a negative one, a tie
    counting half; `positive` is (n_cells,) bool. In [0, 1], 0.5 by chance, higher is better. NaN where a unit has
    no weight on cells of either kind.

    Source: Hanley & McNeil 1982, doi 10.1148/radiology.143.1.7063747; with weights, the same over weighted pairs.
    """
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=np.nan) != 0)  # first of equal scores
    is_positive = positive[order]
    return np.array(
        [_of_unit(row[order].astype(np.float64), is_positive, starts) for row in weights]
    )


def _of_unit(weight: np.ndarray, positive: np.ndarray, starts: np.ndarray) -> float:
    """Return the AUROC of cells sorted by score; equal scores begin at each of `starts`."""
    positives = np.add.reduceat(weight * positive, starts)
    negatives = np.add.reduceat(weight * ~positive, starts)
    n_pairs = positives.sum() * negatives.sum()
    if n_pairs == 0:
        return float("nan")
    below = np.cumsum(negatives) - negatives
    return float((positives * (below + negatives / 2)).sum() / n_pairs)
