"""What frozen and fine-tuned cross-modality prediction share: who may be learned from, the choice, the scores.

A learner chooses its one setting (a penalty, a number of epochs) by cells that it does not learn from: measured
validation cells, or, where none was measured, five parts of the measured training cells in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from sslbench.errors import DataError
from sslbench.evaluation._cell_types import finite
from sslbench.evaluation._columns import JoinedColumns, LinearColumns, SparseColumns
from sslbench.evaluation._expression import cells_of
from sslbench.evaluation._modality_scale import (
    Measured,
    Scale,
    fitted_scale,
    measured_positions,
)
from sslbench.evaluation.base import Embedded, Evaluation
from sslbench.metrics.regression import (
    Columns,
    mse,
    pearson_per_cell,
    pearson_per_feature,
    pearson_pooled,
)
from sslbench.metrics.units import unit_kind, unit_weights
from sslbench.results import Direction

CROSS_MODALITY_METRICS: Mapping[str, Direction] = {
    "pearson_per_feature": "max",
    "pearson_per_cell": "max",
    "pearson_pooled": "max",
    "mse": "min",
    "mean_predictor_pearson_pooled": "max",
    "expression_ridge_pearson_per_feature": "max",
}
CROSS_MODALITY_REFERENCES: Mapping[str, str] = {
    "expression_ridge_pearson_per_feature": "ridge regression from all genes (Pearson per feature)",
    "mean_predictor_pearson_pooled": "the mean of each feature (pooled Pearson)",
}
N_FOLDS = 5
FEWEST_CELLS = 2 * N_FOLDS  # measured training cells
Predict = Callable[[Embedded], Columns]  # standardised values (n_cells, n_features)


@dataclass(frozen=True, kw_only=True)
class Known:
    """Cells whose second modality was measured, and what it was."""

    cells: Embedded
    targets: SparseColumns  # (n_cells, n_features), standardised

    def __len__(self) -> int:
        """Return the number of cells."""
        return self.targets.shape[0]

    def at(self, index: np.ndarray) -> Known:
        """Return the cells at `index` (n,), in that order."""
        return Known(cells=self.cells.at(index), targets=self.targets.at(index))


class Learnt(NamedTuple):
    """A learner's choice, and what it predicts with it."""

    setting: float
    predict: Predict


class Learner(Protocol):
    """Learns to predict the second modality; one setting of it is chosen by cells held out."""

    def chosen(self, train: Known, *, held_out: Known) -> Learnt: ...
    def fitted(self, train: Known, *, setting: float) -> Predict: ...


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What predicts any cells, and what was predicted for training cells by others, if that chose the setting."""

    predict: Predict
    out_of_fold: Columns | None = None  # (n_measured_training_cells, n_features)


@dataclass(frozen=True, kw_only=True)
class Material:
    """What every learner of one fit is given."""

    train: Known
    val: Known | None  # None where no validation cell was measured
    fold: np.ndarray  # (n_measured_training_cells,): in which of the five parts a cell is
    measured: Measured
    val_rows: np.ndarray  # (n_val_cells,): rows of the store


def material(
    train: Embedded, val: Embedded, *, scale: Scale | None, generator: np.random.Generator
) -> Material:
    """Pick the cells whose second modality was measured; fit its scale and draw the five parts on training cells.

    Raises
    ------
    DivergedError
        If z of a cell is NaN or infinite.
    DataError
        D310 if the data set names no second modality, D321 if fewer than ten training cells were measured.
    """
    for embedded, of in (
        (train, "the embedding of the training cells"),
        (val, "the embedding of the validation cells"),
    ):
        finite(embedded.z, of=of)
    index = measured_positions(cells_of(train, task="cross_modality"))
    if len(index) < FEWEST_CELLS:
        raise DataError(
            f"a second modality is learnt from at least {FEWEST_CELLS} training cells that have it, got {len(index)}",
            code="D321",
            fix="name measured donors under `splits: {train: …}` of the data set, or leave the task out",
        )
    measured = fitted_scale(cells_of(train, task="cross_modality").at(index), scale=scale)
    known = _known(train, measured)
    assert known is not None
    return Material(
        train=known,
        val=_known(val, measured),
        fold=generator.permutation(np.arange(len(known)) % N_FOLDS),
        measured=measured,
        val_rows=cells_of(val, task="cross_modality").row_ids,
    )


def fit_learner(learner: Learner, given: Material) -> Fit:
    """Fit on measured training cells with the setting that errs least on measured validation cells.

    Where none of those was measured, each part of the training cells is predicted by what was fitted on the
    others with the setting that suits it; the fit of all has the median of the five settings.
    """
    if given.val is not None:
        return Fit(predict=learner.chosen(given.train, held_out=given.val).predict)
    parts, settings = [], []
    for number in range(N_FOLDS):
        held = given.fold == number
        inside, outside = np.flatnonzero(~held), np.flatnonzero(held)
        held_out = given.train.at(outside)
        learnt = learner.chosen(given.train.at(inside), held_out=held_out)
        parts.append((outside, learnt.predict(held_out.cells)))
        settings.append(learnt.setting)
    predict = learner.fitted(given.train, setting=float(np.median(settings)))
    return Fit(predict=predict, out_of_fold=JoinedColumns(parts=parts))


def evaluation_of(cells: Embedded, given: Material, *, arm: Fit, reference: Fit) -> Evaluation:
    """Score the cells whose second modality was measured.

    Validation cells of which none was measured are given the scores of out-of-fold predictions of training cells
    instead: those of other cells of the same donors, so better than of new donors, but comparable between arms.

    Raises
    ------
    DivergedError
        If z of a cell, or a prediction, is NaN or infinite.
    DataError
        D322 if none of the cells was measured and they are no validation cells.
    """
    finite(cells.z, of="the embedding of the scored cells")
    known = _known(cells, given.measured)
    if known is not None:
        return _scored(
            known, given, arm=arm.predict(known.cells), reference=reference.predict(known.cells)
        )
    rows = cells_of(cells, task="cross_modality").row_ids
    if arm.out_of_fold is None or not np.isin(rows, given.val_rows).all():
        raise DataError(
            f"none of the {len(rows)} scored cells has the second modality",
            code="D322",
            fix="name measured donors under `splits` of the data set, or leave the task out",
        )
    assert reference.out_of_fold is not None
    return replace(
        _scored(given.train, given, arm=arm.out_of_fold, reference=reference.out_of_fold),
        per_unit=None,  # they are other cells than those that were asked for
        unit=None,
    )


def _scored(known: Known, given: Material, *, arm: Columns, reference: Columns) -> Evaluation:
    """Score predictions in the units before standardisation, where differences between features count."""
    restored = known.targets.restored
    truth, predicted = restored(known.targets), restored(arm)
    mean = LinearColumns(
        inputs=np.zeros((len(known), 0)),
        weight=np.zeros((0, truth.shape[1])),
        bias=given.train.targets.moments()[0],
    )
    donor = cells_of(known.cells, task="cross_modality").donor
    weights = np.vstack(
        [np.ones(len(known), dtype=np.float32), unit_weights(donor)]
    )  # all cells, then units
    of_features = pearson_per_feature(truth=truth, predicted=predicted, weights=weights)
    of_reference = pearson_per_feature(truth=truth, predicted=restored(reference))
    scores = {
        "pearson_per_feature": of_features[0],
        "pearson_per_cell": pearson_per_cell(truth=truth, predicted=predicted)[0],
        "pearson_pooled": pearson_pooled(truth=truth, predicted=predicted)[0],
        "mse": mse(truth=truth, predicted=predicted)[0],
        "mean_predictor_pearson_pooled": pearson_pooled(truth=truth, predicted=mean)[0],
        "expression_ridge_pearson_per_feature": of_reference[0],
    }
    finite(np.array(list(scores.values())), of="the predicted second modality")
    return Evaluation(
        scores={name: float(value) for name, value in scores.items()},
        per_unit=of_features[1:],
        unit=unit_kind(donor),
    )


def _known(embedded: Embedded, measured: Measured) -> Known | None:
    index = measured_positions(cells_of(embedded, task="cross_modality"))
    if not len(index):
        return None
    picked = embedded.at(index)
    return Known(cells=picked, targets=measured(cells_of(picked, task="cross_modality")))
