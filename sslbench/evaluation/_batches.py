"""The cells by which integration is scored: labelled, of known batch, in one fixed order, and not too many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sslbench.data.cells import UNLABELLED, Cells
from sslbench.errors import DataError
from sslbench.evaluation._cell_types import finite
from sslbench.evaluation._expression import fixed_part
from sslbench.evaluation.base import Embedded
from sslbench.results import Direction

FEWEST_CELLS = 16  # one more than the graph of neighbours links
MOST_CELLS = 4_000  # half a second on one core; ten times as many would take a minute and 13 GB
INTEGRATION_METRICS: Mapping[str, Direction] = {
    "total": "max",
    "bio": "max",
    "batch": "max",
    "isolated_labels": "max",
    "kmeans_nmi": "max",
    "kmeans_ari": "max",
    "silhouette_label": "max",
    "clisi": "max",
    "bras": "max",
    "ilisi": "max",
    "graph_connectivity": "max",
}


@dataclass(frozen=True, kw_only=True)
class BatchedCells:
    """Cells in the order of their rows, of at least two labels and two batches."""

    z: np.ndarray  # (n_cells, embedding_dim) float64
    label: np.ndarray  # (n_cells,) int64 codes
    batch: np.ndarray  # (n_cells,) str
    cells: Cells


def batched_cells(embedded: Embedded, *, most: int, fewest_of_label: int = 2) -> BatchedCells:
    """Return the labelled cells that have a batch, at most `most` of them: a random part that is always the same.

    Donors stand in for batches where the data set names none. At least one label must have `fewest_of_label`
    cells, of two batches at least and not each of its own.

    Raises
    ------
    DataError
        D310 no batches, D312 one label, D313 no label of several batches, D314 too few cells, D319 one batch.
    DivergedError
        If z of any cell is NaN or infinite.
    """
    cells, batch, kind = _batch_of(embedded)
    known = np.flatnonzero((embedded.label != UNLABELLED) & (batch != ""))
    known = known[np.argsort(cells.row_ids[known], kind="stable")]
    known = known[fixed_part(len(known), about=most)]
    label, batch = embedded.label[known], batch[known]
    _refuse_unusable(label, batch, names=embedded.label_names, kind=kind)
    _refuse_unshared(label, batch, fewest=fewest_of_label, kind=kind)
    z = finite(embedded.z, of="the embedding of the scored cells")[known]
    return BatchedCells(z=z, label=label, batch=batch, cells=cells.at(known))


def _batch_of(embedded: Embedded) -> tuple[Cells, np.ndarray, str]:
    """Return the cells, the batch or else the donor of each (n_cells,) str, and which of the two it is."""
    cells = embedded.cells
    if cells is not None:
        for kind, names in (("batch", cells.batch), ("donor", cells.donor)):
            names = names.astype(str)
            if (names != "").any():
                return cells, names, kind
    raise DataError(
        "integration is scored by how batches mix, and these cells name neither batches nor donors",
        code="D310",
        fix="name the column of batches: `batch_key: …` in the data-set file",
    )


def _refuse_unusable(
    label: np.ndarray, batch: np.ndarray, *, names: tuple[str, ...], kind: str
) -> None:
    if len(label) < FEWEST_CELLS:
        raise DataError(
            f"integration needs at least {FEWEST_CELLS} labelled cells with a {kind}",
            code="D314",
            found=f"{len(label)} in the split that is scored",
            fix="move donors or batches between the splits: `splits: {train: …, val: …, test: …}`",
        )
    batches, labels = np.unique(batch), np.unique(label)
    if len(batches) < 2:
        raise DataError(
            "integration needs cells of at least two batches (donors, where no batches are named)",
            code="D319",
            found=f"all {len(batch):,} scored cells are of {kind} {str(batches[0])!r}",
            fix="put several into the split, or name the column of batches: `batch_key: …`",
        )
    if len(labels) < 2:
        raise DataError(
            "integration needs cells of at least two labels",
            code="D312",
            found=f"all {len(label):,} scored cells are {names[labels[0]]!r}",
            fix="put cells of more types into the split that is scored",
        )


def _refuse_unshared(label: np.ndarray, batch: np.ndarray, *, fewest: int, kind: str) -> None:
    for code in np.unique(label):
        own = batch[label == code]
        if len(own) >= fewest and 1 < len(np.unique(own)) < len(own):
            return
    raise DataError(
        f"no label with {fewest} or more scored cells has cells of more than one {kind}, so nothing says how they mix",
        code="D313",
        found=f"{len(np.unique(label))} labels, {len(np.unique(batch))} values of {kind}",
        fix="put into the split several batches that share cell types",
    )
