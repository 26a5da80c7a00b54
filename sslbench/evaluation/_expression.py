"""The expression of cells as evaluation tasks need it: of a fixed part of many cells, or block after block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.sparse import csr_matrix, vstack

from sslbench.data.cells import Cells
from sslbench.evaluation.base import Embedded

BLOCK_VALUES = 4_000_000  # of expression at once
SEED = 0  # the part belongs to the cells, never to a trial


def cells_of(embedded: Embedded, *, task: str) -> Cells:
    """Return the cells behind an embedding; raise ValueError where only the embedding is known."""
    if embedded.cells is None:
        raise ValueError(
            f"{task} needs the cells beside their embedding, got none; give Embedded(cells=…)"
        )
    return embedded.cells


def fixed_part(n_cells: int, *, about: int) -> np.ndarray:
    """Return the ascending positions (n,) of all cells, or of `about` of more: the same at every call."""
    if n_cells <= about:
        return np.arange(n_cells)
    return np.sort(np.random.default_rng(SEED).choice(n_cells, size=about, replace=False))


def row_blocks(index: np.ndarray, *, n_features: int) -> Iterator[np.ndarray]:
    """Yield positions (n,) of cells, few enough that a dense array of them stays small."""
    n = max(1, BLOCK_VALUES // max(1, n_features))
    return (index[start : start + n] for start in range(0, len(index), n))


def expression_rows(cells: Cells, index: np.ndarray) -> np.ndarray:
    """Return log-normalised expression (n, n_genes) float32 of the cells at `index` (n,)."""
    rows: np.ndarray = cells.minibatch(index).x.numpy()
    return rows


def sparse_expression(cells: Cells, index: np.ndarray) -> csr_matrix:
    """Return log-normalised expression (n, n_genes) float32 of the cells at `index` (n,), zeros left out."""
    blocks = row_blocks(index, n_features=cells.n_genes)
    return vstack([csr_matrix(expression_rows(cells, block)) for block in blocks], format="csr")
