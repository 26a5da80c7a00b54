"""What the two ways of reconstructing expression share: their scores, worked out block of cells after block."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from sslbench.data.cells import Cells
from sslbench.evaluation._cell_types import finite
from sslbench.evaluation._expression import expression_rows, row_blocks
from sslbench.evaluation.base import Evaluation
from sslbench.metrics.regression import (
    Moments,
    TotalVariance,
    explained_fraction,
    mean_over_varying,
    moments,
)
from sslbench.metrics.units import unit_kind, unit_weights
from sslbench.results import Direction

RECONSTRUCTION_METRICS: Mapping[str, Direction] = {
    "explained_variance": "max",
    "explained_variance_uniform": "max",
    "mse": "min",
    "pearson": "max",
}
Predict = Callable[[np.ndarray], np.ndarray]


def reconstruction_evaluation(cells: Cells, predict: Predict) -> Evaluation:
    """Score predicted expression of all cells, which `predict` gives for positions (n,) as (n, n_genes).

    Genes that were not measured for all of these cells are not scored.
    Of memory it takes units times cells and units times genes, never cells times genes. The first unit is all cells,
    the others are those of `metrics.units`.

    Raises
    ------
    DivergedError
        If a prediction is NaN or infinite.
    """
    weights = np.vstack([np.ones(len(cells), dtype=np.float32), unit_weights(cells.donor)])
    genes = _measured_genes(cells)
    total, error = (TotalVariance(n_units=len(weights), n_features=len(genes)) for _ in range(2))
    of_genes: Moments | None = None
    squared_error = 0.0
    for index in row_blocks(np.arange(len(cells)), n_features=cells.n_genes):
        truth = expression_rows(cells, index).astype(np.float64)[:, genes]
        predicted = finite(predict(index), of="the reconstruction of the scored cells")[:, genes]
        total.add(truth, weights=weights[:, index])
        error.add(truth - predicted, weights=weights[:, index])
        squared_error += float(np.square(truth - predicted).sum())
        block = moments(truth=truth, predicted=predicted)
        of_genes = block if of_genes is None else of_genes + block
    assert of_genes is not None
    explained = explained_fraction(error=error.value(), total=total.value())
    scores = {
        "explained_variance": float(explained[0]),
        "explained_variance_uniform": float(mean_over_varying([of_genes.explained_variance])[0]),
        "mse": squared_error / (len(cells) * len(genes)),
        "pearson": float(mean_over_varying([of_genes.pearson])[0]),
    }
    return Evaluation(scores=scores, per_unit=explained[1:], unit=unit_kind(cells.donor))


def _measured_genes(cells: Cells) -> np.ndarray:
    """Return the positions (n,) of the genes that were measured for each of the cells."""
    if cells.measured is None:
        return np.arange(cells.n_genes)
    return np.flatnonzero(cells.measured.everywhere(cells.row_ids))
