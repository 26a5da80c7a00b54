"""The cells that code above sees: rows of a cell store, and the minibatch that every loss receives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import overload

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from sslbench.data.packed import Expression, PackedRows, Pattern, dense

TARGET_SUM = 10_000.0
UNLABELLED = -1
MOST_NON_ZEROS = 2**31 - 1  # of one minibatch: its places are int32


@dataclass(frozen=True, kw_only=True)
class CellBatch:
    """The rows of one optimisation step, on the training device; what is dense is made when it is asked for."""

    raw: Expression  # (n_cells, n_genes) float32: raw counts; packed on a CPU, dense on a GPU
    library_size: Tensor  # (n_cells,) float32: sum of the cell's counts over these genes
    row_ids: Tensor  # (n_cells,) int64: rows of the cell store
    label: Tensor | None  # (n_cells,) int64, -1 unlabelled; None when the pretext task may not look
    view: Tensor | None = (
        None  # (n_cells, n_genes) float32: expression that an augmentation changed
    )
    measured: Tensor | None = None  # (n_cells, n_genes) bool; None where every gene was measured

    @cached_property
    def expression(self) -> Expression:
        """Log1p of counts scaled to 10,000 a cell, (n_cells, n_genes), packed where the counts are."""
        return normalise(self.raw, self.library_size) if self.view is None else self.view

    @cached_property
    def x(self) -> Tensor:
        """The expression as a dense tensor (n_cells, n_genes) float32."""
        return dense(self.expression)

    @cached_property
    def counts(self) -> Tensor:
        """The raw counts, whole numbers, as a dense tensor (n_cells, n_genes) float32."""
        return dense(self.raw)

    @property
    def log_counts(self) -> Expression:
        """Log1p of the raw counts, which are not scaled to a common depth, (n_cells, n_genes), packed where they are."""
        if isinstance(self.raw, PackedRows):
            return self.raw.with_values(torch.log1p(self.raw.value))
        return torch.log1p(self.raw)

    def seen_as(self, view: Tensor) -> CellBatch:
        """Return the same cells with another expression (n_cells, n_genes)."""
        return replace(self, view=view)


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

    def packed(self, index: np.ndarray) -> PackedRows:
        """Return the rows at `index` (n,) as packed rows (n, n_genes) float32, in memory."""
        starts, ends = self.indptr[index], self.indptr[index + 1]
        # Plain arrays: slicing a memory-mapped one costs ten times as much as what it points to.
        indices, values = np.asarray(self.indices), np.asarray(self.values)
        spans = [slice(start, end) for start, end in zip(starts.tolist(), ends.tolist())]
        gene = np.concatenate([indices[:0], *(indices[span] for span in spans)])
        value = np.concatenate([values[:0], *(values[span] for span in spans)])
        indptr = np.concatenate([[0], np.cumsum(ends - starts)])
        if indptr[-1] > MOST_NON_ZEROS:
            raise ValueError(f"at most {MOST_NON_ZEROS:,} non-zeros at once, got {indptr[-1]:,}")
        pattern = Pattern(
            indptr=torch.from_numpy(indptr.astype(np.int32)),
            gene=torch.from_numpy(gene.astype(np.int32)),
            n_genes=self.n_genes,
        )
        return PackedRows(pattern=pattern, value=torch.from_numpy(value.astype(np.float32)))

    def rows(self, index: np.ndarray) -> np.ndarray:
        """Return the rows at `index` (n,) as a dense array (n, n_genes) float32."""
        return self.packed(index).dense().numpy()


@dataclass(frozen=True, kw_only=True)
class MeasuredGenes:
    """Which genes were measured for which cells, where studies with different genes are joined."""

    of_study: np.ndarray  # (n_studies, n_genes) bool
    study: np.ndarray  # (n_rows_of_the_store,) int64: rows of `of_study`

    def of(self, row_ids: np.ndarray) -> np.ndarray:
        """Return (n, n_genes) bool for rows (n,) of the store."""
        return np.asarray(self.of_study[self.study[row_ids]])

    def everywhere(self, row_ids: np.ndarray) -> np.ndarray:
        """Return (n_genes,) bool: which genes were measured for each of the rows (n,)."""
        return np.asarray(self.of_study[np.unique(self.study[row_ids])].all(axis=0))


@dataclass(frozen=True, kw_only=True)
class Modality:
    """A second measurement of the same cells, e.g. surface proteins or open chromatin."""

    kind: str  # "protein" or "peaks"
    features: tuple[str, ...]  # (n_features,)
    counts: CountsMatrix  # (n_rows_of_the_store, n_features): raw, as measured
    measured: np.ndarray  # (n_rows_of_the_store,) bool: False where the cell was not measured


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
    modality: Modality | None = None  # what else was measured on them, where the data set says
    measured: MeasuredGenes | None = None  # None where every gene was measured for every cell

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.row_ids)

    @property
    def n_genes(self) -> int:
        """The number of genes."""
        return len(self.genes)

    @property
    def modality_measured(self) -> np.ndarray:
        """The positions (n,) of the cells whose second modality was measured; none where the data set names none."""
        if self.modality is None:
            return np.empty(0, dtype=np.int64)
        return np.flatnonzero(self.modality.measured[self.row_ids])

    def without_labels(self) -> Cells:
        """Return the same cells with the labels taken away, for pretext tasks that must not see them."""
        return replace(self, label=None)

    def labelled(self) -> Cells:
        """Return the cells that have a label."""
        assert self.label is not None
        return self.at(np.flatnonzero(self.label != UNLABELLED))

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

    def measured_at(self, index: np.ndarray) -> Tensor | None:
        """Return which genes were measured for the cells at `index` (n,), (n, n_genes) bool; None: all."""
        return (
            None
            if self.measured is None
            else torch.from_numpy(self.measured.of(self.row_ids[index]))
        )

    def minibatch(self, index: np.ndarray, *, device: str = "cpu") -> CellBatch:
        """Return the cells at positions `index` (n,) of these cells as one minibatch."""
        packed = self.counts.packed(self.row_ids[index]).to(device)
        measured = self.measured_at(index)
        return CellBatch(
            raw=packed if device == "cpu" else packed.dense(),
            library_size=packed.sum_of_cells(),
            row_ids=torch.from_numpy(self.row_ids[index]).to(device),
            label=None if self.label is None else torch.from_numpy(self.label[index]).to(device),
            measured=None if measured is None else measured.to(device),
        )


@overload
def normalise(counts: Tensor, library_size: Tensor) -> Tensor: ...
@overload
def normalise(counts: PackedRows, library_size: Tensor) -> PackedRows: ...
def normalise(counts: Expression, library_size: Tensor) -> Expression:
    """Return log1p of counts (n_cells, n_genes) scaled to 10,000 a cell; a cell without counts stays 0."""
    scale = TARGET_SUM / library_size.clamp(min=1.0)
    if isinstance(counts, PackedRows):
        return counts.with_values(torch.log1p(counts.value * counts.for_each(scale)))
    return torch.log1p(counts * scale.unsqueeze(1))
