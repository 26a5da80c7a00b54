"""The first layer of an encoder: of each cell only the genes that it counts are multiplied."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from sslbench.data.packed import Expression, PackedRows


class GeneLinear(nn.Linear):
    """`x @ weight.T + bias` for x (n_cells, n_genes), dense or packed; the weights are those of nn.Linear.

    The weight (n_outputs, n_genes) lies gene after gene in memory, so that the weights of one gene, which a
    packed x asks for, are neighbours.
    """

    def __init__(self, n_genes: int, n_outputs: int) -> None:
        super().__init__(n_genes, n_outputs)
        self.weight = nn.Parameter(self.weight.detach().t().contiguous().t())

    def forward(self, x: Expression) -> Tensor:
        """Return (n_cells, n_outputs)."""
        if isinstance(x, PackedRows):
            product: Tensor = _PackedProduct.apply(self.weight.t(), x)  # type: ignore[no-untyped-call]
            return product + self.bias
        return super().forward(x)


class _PackedProduct(torch.autograd.Function):
    """`rows @ weight`: a weighted sum of the weights of a cell's genes; the gradient is one of a gene's cells."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, rows: PackedRows) -> Tensor:
        ctx.rows = rows
        pattern = rows.pattern
        return _weighted_sums(weight, pattern.gene, indptr=pattern.indptr, by=rows.value)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        by_gene, value = ctx.rows.pattern.by_gene, ctx.rows.value
        of_weight = _weighted_sums(
            gradient.contiguous(), by_gene.cell, indptr=by_gene.indptr, by=value[by_gene.order]
        )
        return of_weight, None


def _weighted_sums(table: Tensor, row: Tensor, *, indptr: Tensor, by: Tensor) -> Tensor:
    """Return the sum of `by` x table[row] of each bag of rows, (n_bags, n_columns)."""
    sums: Tensor = nn.functional.embedding_bag(
        row, table, indptr, mode="sum", per_sample_weights=by, include_last_offset=True
    )
    return sums
