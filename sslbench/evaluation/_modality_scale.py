"""A second modality on the scale on which it is predicted: what is fitted for that is fitted on training cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.sparse import csr_matrix, diags_array

from sslbench.data.cells import Cells, Modality
from sslbench.errors import DataError
from sslbench.evaluation._columns import SparseColumns

Scale = Literal["log1p", "clr", "binary", "tfidf"]
SCALE_OF_KIND: dict[str, Scale] = {"protein": "log1p", "peaks": "binary"}
TFIDF_SUM = 10_000.0  # to which the counts of a cell are scaled
FLAT = 1e-6  # a feature whose spread is less, relative to its mean, has none: it is only moved to 0

Measured = Callable[[Cells], SparseColumns]


def modality_of(cells: Cells) -> Modality:
    """Return what else was measured; raise DataError if the data set names nothing."""
    if cells.modality is None:
        raise DataError(
            "cross-modality prediction needs a second modality, and this data set names none",
            code="D310",
            fix="add `modality: {kind: protein, key: …}` to the data set's YAML, or leave the task out",
        )
    return cells.modality


def measured_positions(cells: Cells) -> np.ndarray:
    """Return the positions (n,) of the cells whose second modality was measured; D310 if the data set names none."""
    modality_of(cells)
    return cells.modality_measured


def fitted_scale(train: Cells, *, scale: Scale | None) -> Measured:
    """Return what puts the second modality of cells, all measured, on the scale asked for, (n_cells, n_features).

    None is the usual scale of the kind. `train` are measured training cells. Proteins are then standardised by
    their mean and spread in `train`, so that each weighs the same whatever its antibody; peaks are not, because
    the rarest ones would weigh most.
    """
    modality = modality_of(train)
    transform = _transform(train, scale or SCALE_OF_KIND[modality.kind])
    if modality.kind != "protein":
        return transform
    mean, spread = transform(train).moments()
    spread = np.where(spread > FLAT * np.abs(mean), spread, 1.0)
    return lambda cells: replace(transform(cells), centre=mean, spread=spread)


def _transform(train: Cells, scale: Scale) -> Measured:
    """Return the transformation of raw values; only `tfidf` looks at `train`."""
    if scale == "tfidf":
        return _TfIdf.of(train)
    return {"log1p": _log1p, "clr": _centred_log_ratio, "binary": _binary}[scale]


def _log1p(cells: Cells) -> SparseColumns:
    """Return `log(1 + count)`."""
    return SparseColumns.of(_raw(cells).log1p())


def _binary(cells: Cells) -> SparseColumns:
    """Return 1 where anything was counted, 0 elsewhere."""
    return SparseColumns.of(_raw(cells).sign())


def _centred_log_ratio(cells: Cells) -> SparseColumns:
    """Return `log(1 + count)` less its mean over the features of the cell.

    Source: Stoeckius et al. 2017, doi 10.1038/nmeth.4380, with 1 added to every count.
    """
    logs = _raw(cells).log1p()
    return SparseColumns.of(logs, offset=-np.asarray(logs.mean(axis=1)).reshape(-1, 1))


@dataclass(frozen=True, kw_only=True)
class _TfIdf:
    """`log(1 + 10,000 · (count / total of the cell) · idf)`.

    Source: Stuart et al. 2021, doi 10.1038/s41592-021-01282-5, but that idf counts training cells with the feature:
    `n_cells / (1 + n_cells with it)`.
    """

    inverse_frequency: np.ndarray  # (n_features,)

    @classmethod
    def of(cls, train: Cells) -> _TfIdf:
        n_with = np.asarray(_raw(train).sign().sum(axis=0)).ravel()
        return cls(inverse_frequency=len(train) / (1 + n_with))

    def __call__(self, cells: Cells) -> SparseColumns:
        counts = _raw(cells)
        totals = np.asarray(counts.sum(axis=1)).ravel()
        share = diags_array(TFIDF_SUM / np.maximum(totals, 1)) @ counts
        weighted = csr_matrix(share @ diags_array(self.inverse_frequency))
        return SparseColumns.of(weighted.log1p())


def _raw(cells: Cells) -> csr_matrix:
    """Return raw values (n_cells, n_features) float64."""
    rows = modality_of(cells).counts.packed(cells.row_ids)
    pattern = rows.pattern
    parts = (rows.value.double().numpy(), pattern.gene.numpy(), pattern.indptr.numpy())
    return csr_matrix(parts, shape=rows.shape)
