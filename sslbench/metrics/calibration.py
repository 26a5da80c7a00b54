"""Do probabilities mean what they say? Plain functions of predicted probabilities.

Every function takes `probabilities` (n_cells, n_labels) float64 whose rows sum to 1, and `truth`, label codes
(n_cells,), -1 unlabelled: such cells are left out. Lower is better. All functions raise ValueError where no cell is
labelled or where the arrays differ in length.
"""

from __future__ import annotations

import numpy as np

UNLABELLED = -1
N_BINS = 15


def expected_calibration_error(probabilities: np.ndarray, *, truth: np.ndarray) -> float:
    """Return the mean gap between confidence and accuracy over 15 equally wide bins of confidence; in [0, 1].

    Confidence is the largest probability of a cell. Each bin weighs as many cells as it has; a confidence on
    the border of two bins belongs to the lower one.

    Source: Guo et al., "On calibration of modern neural networks", 2017, arXiv 1706.04599, equation 3.
    """
    probabilities, truth = _labelled(probabilities, truth)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bins = np.clip(np.ceil(confidence * N_BINS).astype(np.int64) - 1, 0, N_BINS - 1)
    gap = np.bincount(bins, weights=right - confidence, minlength=N_BINS)  # cells times the gap
    return float(np.abs(gap).sum() / len(truth))


def brier_score(probabilities: np.ndarray, *, truth: np.ndarray) -> float:
    """Return the squared distance of probabilities from the truth, summed over labels, averaged over cells; in [0, 2].

    Source: Brier 1950, "Verification of forecasts expressed in terms of probability", doi
    10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    probabilities, truth = _labelled(probabilities, truth)
    certain = np.eye(probabilities.shape[1])[truth]
    return float(np.square(probabilities - certain).sum(axis=1).mean())


def _labelled(probabilities: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if probabilities.ndim != 2 or truth.shape != probabilities.shape[:1]:
        raise ValueError(
            "probabilities must be (n_cells, n_labels) and truth (n_cells,), "
            f"got {probabilities.shape} and {truth.shape}; predict every scored cell once"
        )
    scored = truth != UNLABELLED
    if not scored.any():
        raise ValueError(f"none of the {truth.size} cells is labelled; score labelled cells")
    return probabilities[scored].astype(np.float64), truth[scored].astype(np.int64)
