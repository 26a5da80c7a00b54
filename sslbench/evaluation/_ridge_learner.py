"""Ridge regression as a learner of the second modality: from z, and from expression, the reference beside it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sslbench.data.cells import Cells
from sslbench.evaluation._columns import SparseColumns
from sslbench.evaluation._cross_modality import Fit, Known, Learnt, Material, Predict, fit_learner
from sslbench.evaluation._expression import (
    cells_of,
    expression_rows,
    fixed_part,
    row_blocks,
    sparse_expression,
)
from sslbench.evaluation._ridge import PENALTIES, RidgePath, ridge_path
from sslbench.evaluation.base import Embedded

GENES = 2_000  # most variable in training: of fewer components the reference would be a weak one
PART = 8_000  # training cells that the reference learns from

Inputs = Callable[[Embedded], np.ndarray]  # (n_cells, n_inputs)


class RidgeLearner:
    """Its setting is the penalty; of more training cells than `most_cells` it learns from a fixed part."""

    def __init__(self, inputs: Inputs, *, most_cells: int | None = None) -> None:
        self.inputs, self.most_cells = inputs, most_cells

    def chosen(self, train: Known, *, held_out: Known) -> Learnt:
        """Fit every penalty and take the one with the least squared error on the cells held out."""
        path = self._path(train)
        errors = path.errors(self.inputs(held_out.cells), held_out.targets)
        penalty = float(PENALTIES[errors.argmin()])
        return Learnt(penalty, self._predict(path, penalty))

    def fitted(self, train: Known, *, setting: float) -> Predict:
        """Fit with the penalty given."""
        return self._predict(self._path(train), setting)

    def _path(self, train: Known) -> RidgePath:
        part = train.at(fixed_part(len(train), about=self.most_cells or len(train)))
        return ridge_path(self.inputs(part.cells), part.targets)

    def _predict(self, path: RidgePath, penalty: float) -> Predict:
        return lambda cells: path.predict(self.inputs(cells), penalty=penalty)


def of_embedding(cells: Embedded) -> np.ndarray:
    """Return z (n_cells, embedding_dim) float64."""
    return cells.z.astype(np.float64)


class ExpressionReference:
    """What ridge on the genes themselves reaches; no arm changes it, so the last fit is kept for the same cells."""

    def __init__(self) -> None:
        self._last: tuple[Cells, Cells, np.ndarray, Fit] | None = None

    def fit(self, train: Embedded, val: Embedded, given: Material) -> Fit:
        """Return the fit on at most `PART` measured training cells, chosen as every learner's is."""
        cells = [cells_of(embedded, task="cross_modality") for embedded in (train, val)]
        if self._last is not None:
            of_train, of_val, fold, fit = self._last
            if of_train is cells[0] and of_val is cells[1] and np.array_equal(fold, given.fold):
                return fit
        fit = _expression_fit(given)
        self._last = (cells[0], cells[1], given.fold, fit)
        return fit


def _expression_fit(given: Material) -> Fit:
    known = cells_of(given.train.cells, task="cross_modality")
    gene = _most_variable(known)

    def inputs(embedded: Embedded) -> np.ndarray:
        cells = cells_of(embedded, task="cross_modality")
        blocks = row_blocks(np.arange(len(cells)), n_features=cells.n_genes)
        return np.concatenate([expression_rows(cells, block)[:, gene] for block in blocks])

    return fit_learner(RidgeLearner(inputs, most_cells=PART), given)


def _most_variable(cells: Cells) -> np.ndarray:
    """Return the ascending positions (n,) of the genes whose expression varies most."""
    part = fixed_part(len(cells), about=PART)
    _, spread = SparseColumns.of(sparse_expression(cells, part)).moments()
    return np.sort(np.argsort(-spread, kind="stable")[:GENES])
