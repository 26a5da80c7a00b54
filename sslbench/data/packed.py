"""A minibatch as compressed sparse rows: of twenty thousand genes a cell counts a tenth, and the rest is not carried."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class ByGene:
    """The non-zeros of a pattern gene after gene instead of cell after cell."""

    indptr: Tensor  # (n_genes + 1,) int32: where each gene begins
    cell: Tensor  # (n_non_zeros,) int32, ascending within a gene
    order: Tensor  # (n_non_zeros,) int32: which non-zero of the pattern each of these is


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """Where the non-zeros of (n_cells, n_genes) are: what counts and expression of the same cells share."""

    indptr: Tensor  # (n_cells + 1,) int32: where each cell begins
    gene: Tensor  # (n_non_zeros,) int32, ascending within a cell
    n_genes: int

    @property
    def shape(self) -> tuple[int, int]:
        """The number of cells and of genes."""
        return len(self.indptr) - 1, self.n_genes

    @cached_property
    def cell(self) -> Tensor:
        """The cell of each non-zero, (n_non_zeros,) int64."""
        cells = torch.arange(len(self.indptr) - 1, device=self.gene.device)
        return cells.repeat_interleave(self.indptr.diff(), output_size=len(self.gene))

    @cached_property
    def by_gene(self) -> ByGene:
        """The same non-zeros gene after gene; on the CPU."""
        number = np.arange(len(self.gene), dtype=np.int32)
        rows = csr_matrix((number, self.gene.numpy(), self.indptr.numpy()), shape=self.shape)
        columns = rows.tocsc()
        return ByGene(
            indptr=torch.from_numpy(columns.indptr),
            cell=torch.from_numpy(columns.indices),
            order=torch.from_numpy(columns.data),
        )


@dataclass(frozen=True, kw_only=True)
class PackedRows:
    """Values (n_cells, n_genes) of which only those in the pattern are listed; the others are 0."""

    pattern: Pattern
    value: Tensor  # (n_non_zeros,) float32

    @property
    def shape(self) -> tuple[int, int]:
        """The number of cells and of genes."""
        return self.pattern.shape

    def with_values(self, value: Tensor) -> PackedRows:
        """Return other values (n_non_zeros,) at the same places."""
        return PackedRows(pattern=self.pattern, value=value)

    def only(self, kept: Tensor) -> PackedRows:
        """Return the non-zeros for which `kept` (n_non_zeros,) bool is true; the others become zeros."""
        pattern, which = self.pattern, torch.from_numpy(np.flatnonzero(kept.numpy()))
        before = torch.from_numpy(np.searchsorted(which.numpy(), pattern.indptr.numpy()))
        fewer = Pattern(
            indptr=before.to(torch.int32), gene=pattern.gene[which], n_genes=pattern.n_genes
        )
        return PackedRows(pattern=fewer, value=self.value[which])

    def for_each(self, of_cell: Tensor) -> Tensor:
        """Return what belongs to the cell of each non-zero, (n_non_zeros,), from `of_cell` (n_cells,)."""
        lengths = self.pattern.indptr.diff()
        return of_cell.repeat_interleave(lengths, output_size=len(self.value))

    def sum_of_cells(self) -> Tensor:
        """Return the sum of each cell's values, (n_cells,)."""
        return torch.segment_reduce(
            self.value, "sum", offsets=self.pattern.indptr.long(), initial=0.0
        )

    def dense(self, *, elsewhere: float = 0.0) -> Tensor:
        """Return (n_cells, n_genes), with the value `elsewhere` at the places that are not listed."""
        if self.value.device.type == "cpu" and not elsewhere:
            rows = (self.value.numpy(), self.pattern.gene.numpy(), self.pattern.indptr.numpy())
            return torch.from_numpy(csr_matrix(rows, shape=self.shape).toarray())
        full = self.value.new_full(self.shape, elsewhere)
        full.view(-1).index_copy_(0, self.place, self.value)
        return full

    @property
    def place(self) -> Tensor:
        """The place of each non-zero in the flattened (n_cells, n_genes), (n_non_zeros,) int64."""
        return self.pattern.cell.mul(self.shape[1]).add_(self.pattern.gene)

    def to(self, device: str) -> PackedRows:
        """Return the same rows on a device."""
        pattern = self.pattern
        moved = Pattern(
            indptr=pattern.indptr.to(device), gene=pattern.gene.to(device), n_genes=pattern.n_genes
        )
        return PackedRows(pattern=moved, value=self.value.to(device))


Expression = Tensor | PackedRows


def dense(rows: Expression) -> Tensor:
    """Return rows (n_cells, n_genes) as a dense tensor; a tensor stays what it is."""
    return rows.dense() if isinstance(rows, PackedRows) else rows
