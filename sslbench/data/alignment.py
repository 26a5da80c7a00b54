"""Rows of one list of genes as rows of another: genes are found by name, those that are missing count 0."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix


def columns_of(genes: Sequence[str], *, source: Sequence[str]) -> np.ndarray:
    """Return where each of `genes` stands in `source` (distinct names), (n_genes,) int64; -1 if it does not."""
    return pd.Index(source).get_indexer(pd.Index(genes)).astype(np.int64)


def aligned(rows: csr_matrix, columns: np.ndarray) -> csr_matrix:
    """Return rows (n_cells, n_source_genes) with the genes at `columns` (n_genes,); a column of -1 is 0.

    Columns of a row ascend, as in `rows`: a profile is hashed in that order.
    """
    if len(columns) == rows.shape[1] and np.array_equal(columns, np.arange(len(columns))):
        return rows
    found = np.flatnonzero(columns >= 0)
    picked = rows[:, columns[found]]
    shape = (rows.shape[0], len(columns))
    moved = csr_matrix((picked.data, found[picked.indices], picked.indptr), shape=shape)
    moved.sort_indices()
    return moved
