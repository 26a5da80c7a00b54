"""Expression from the frozen embedding by ridge regression: how much of a cell is left in z."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from sslbench.config import ComponentOptions
from sslbench.data.cells import Cells
from sslbench.evaluation._cell_types import finite
from sslbench.evaluation._columns import SparseColumns
from sslbench.evaluation._expression import cells_of, fixed_part, sparse_expression
from sslbench.evaluation._reconstruction_scores import (
    RECONSTRUCTION_METRICS,
    reconstruction_evaluation,
)
from sslbench.evaluation._ridge import PENALTIES, ridge_path
from sslbench.evaluation.base import Embedded, Evaluation, EvaluationTask, Fitted
from sslbench.registry import EVALUATIONS
from sslbench.results import Direction

PART = 4_000  # cells that the regression is fitted on, and its penalty chosen by


class Options(ComponentOptions):
    """Nothing to choose: the penalty is chosen on validation cells."""


@EVALUATIONS.register
class Reconstruction(EvaluationTask):
    """Ridge from standardised z to log-normalised expression, for every arm alike, whether it has a decoder or not.

    Explained variance weighted by the variance of genes ranks. The noise of counting cannot be explained from other
    cells, so the largest value that could be reached is below 1; it is the same for all arms.
    """

    metrics: ClassVar[Mapping[str, Direction]] = RECONSTRUCTION_METRICS
    needs_of_cells: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: Options) -> None:
        pass

    def fit(
        self,
        *,
        train: Embedded,
        val: Embedded,
        generator: np.random.Generator,  # the optimum is unique
    ) -> Fitted:
        """Fit on at most `PART` cells of `train`, with the penalty that errs least on as many of `val`.

        Raises
        ------
        DivergedError
            If z of a cell is NaN or infinite.
        """
        inputs, targets = _part(train, of="the embedding of the training cells")
        held_out, held_out_targets = _part(val, of="the embedding of the validation cells")
        path = ridge_path(inputs, targets)
        penalty = float(PENALTIES[path.errors(held_out, held_out_targets).argmin()])

        def evaluate(cells: Embedded) -> Evaluation:
            z = finite(cells.z, of="the embedding of the scored cells")
            predicted = path.predict(z, penalty=penalty)
            return reconstruction_evaluation(_cells(cells), predicted.rows)

        return evaluate


def _part(embedded: Embedded, *, of: str) -> tuple[np.ndarray, SparseColumns]:
    """Return z (n, embedding_dim) float64 and expression (n, n_genes) of a fixed part of the cells."""
    cells = _cells(embedded)
    index = fixed_part(len(cells), about=PART)
    return finite(embedded.z, of=of)[index], SparseColumns.of(sparse_expression(cells, index))


def _cells(embedded: Embedded) -> Cells:
    return cells_of(embedded, task="reconstruction")
