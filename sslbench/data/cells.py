"""The cells that code above sees: rows of a cell store, and the minibatch that every loss receives."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

TARGET_SUM = 10_000.0
UNLABELLED = -1


@dataclass(frozen=True, kw_only=True)
class CellBatch:
    """The rows of one optimisation step, dense, on the training device."""

    x: Tensor  # (n_cells, n_genes) float32: log1p of counts scaled to 10,000 a cell
    counts: Tensor  # (n_cells, n_genes) float32: raw counts, whole numbers
    library_size: Tensor  # (n_cells,) float32: sum of the cell's counts over these genes
    row_ids: Tensor  # (n_cells,) int64: rows of the cell store
    label: Tensor | None  # (n_cells,) int64, -1 unlabelled; None when the pretext task may not look


@dataclass(frozen=True, kw_only=True)
class CountsMatrix:
    """Raw counts of all cells of a store as compressed sparse rows, usually memory-mapped.

    Not a scipy matrix: scipy copies the indices of the whole store into memory as soon as their type is
    not that of `indptr`.
    """

    indptr: np.ndarray  # (n_rows + 1,) int64
    indices: np.ndarray  # (n_non_zeros,) uint16 or int32, ascending within a row
    values: np.ndarray  # (n_non_zeros,) uint16 or float32
    n_genes: int

    @classmethod
    def from_scipy(cls, counts: csr_matrix) -> CountsMatrix:
        """Return the counts of a scipy matrix (n_rows, n_genes), in memory."""
        counts = csr_matrix(counts)
        counts.sum_duplicates()
        indptr = counts.indptr.astype(np.int64)
        return cls(
            indptr=indptr, indices=counts.indices, values=counts.data, n_genes=counts.shape[1]
        )

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows and of genes."""
        return len(self.indptr) - 1, self.n_genes

    def rows(self, index: np.ndarray) -> np.ndarray:
        """Return the rows at `index` (n,) as a dense array (n, n_genes) float32."""
        starts = self.indptr[index]
        lengths = self.indptr[index + 1] - starts
        row = np.repeat(np.arange(len(index)), lengths)
        before = np.cumsum(lengths) - lengths
        position = np.arange(len(row)) + np.repeat(starts - before, lengths)
        dense = np.zeros((len(index), self.n_genes), dtype=np.float32)
        dense[row, self.indices[position]] = self.values[position]
        return dense


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Some rows of a cell store, in order: counts stay memory-mapped until a minibatch asks for them."""

    counts: CountsMatrix  # (n_rows_of_the_store, n_genes): raw counts
    row_ids: np.ndarray  # (n_cells,) int64: which rows of `counts` these cells are
    genes: tuple[str, ...]  # (n_genes,)
    label: np.ndarray | None  # (n_cells,) int64 codes into label_names, -1 unlabelled; or hidden
    label_names: tuple[str, ...]  # the fixed label set of the data set
    donor: np.ndarray  # (n_cells,) str; "" where the data set names no donors
    batch: np.ndarray  # (n_cells,) str; "" where it names no experimental batches

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.row_ids)

    @property
    def n_genes(self) -> int:
        """The number of genes."""
        return len(self.genes)

    def without_labels(self) -> Cells:
        """Return the same cells with the labels taken away, for pretext tasks that must not see them."""
        return replace(self, label=None)

    def at(self, index: np.ndarray) -> Cells:
        """Return the cells at positions `index` (n,) of these cells, in that order."""
        label = None if self.label is None else self.label[index]
        return replace(
            self,
            row_ids=self.row_ids[index],
            label=label,
            donor=self.donor[index],
            batch=self.batch[index],
        )

    def dense_counts(self, index: np.ndarray | None = None) -> np.ndarray:
        """Return raw counts (n_cells, n_genes) float32 of all cells or of those at `index`."""
        return self.counts.rows(self.row_ids if index is None else self.row_ids[index])

    def minibatch(self, index: np.ndarray, *, device: str = "cpu") -> CellBatch:
        """Return the cells at positions `index` (n,) of these cells as one dense minibatch."""
        counts = torch.from_numpy(self.dense_counts(index)).to(device)
        library_size = counts.sum(dim=1)
        return CellBatch(
            x=normalise(counts, library_size),
            counts=counts,
            library_size=library_size,
            row_ids=torch.from_numpy(self.row_ids[index]).to(device),
            label=None if self.label is None else torch.from_numpy(self.label[index]).to(device),
        )


def normalise(counts: Tensor, library_size: Tensor) -> Tensor:
    """Return log1p of counts (n_cells, n_genes) scaled to 10,000 a cell; a cell without counts stays 0."""
    scale = TARGET_SUM / library_size.clamp(min=1.0)
    return torch.log1p(counts * scale.unsqueeze(1))
