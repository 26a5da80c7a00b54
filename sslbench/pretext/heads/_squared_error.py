"""Squared error of a linear output against packed rows: the output layer and its loss in one pass over the genes.

The plain way makes half a dozen arrays (n_cells, n_genes) and reads each of them again. Here a block of genes
goes through prediction, loss and gradient while it is in the cache, and nothing of that size is ever made.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from sslbench.data.packed import PackedRows
from sslbench.pretext.masks.base import PackedWeights

BLOCK_GENES = 512  # x 256 cells x 4 bytes: half a megabyte


def packed_squared_error(
    decoded: Tensor,
    *,
    output: nn.Linear,
    target: PackedRows,
    scored: PackedWeights,
    fraction: float = 1.0,
) -> Tensor:
    """Return the mean () of `(output(decoded) - target)²` over (n_cells, n_genes), weighted by `scored`.

    `decoded` is (n_cells, n_inputs); `scored` weighs the places that `target` lists, and all others alike. On
    the CPU, in any floating type. Zeros cost no more than their matrix product: with p predicted and w the
    weight of what is not listed, the sum is `w Σ p²` over all places and a correction at those listed.

    A `fraction` below 1 works out that part of the blocks of genes, drawn anew from torch's global stream and
    weighed up: loss and gradients keep their expectation and gain variance; at least one block is drawn.
    """
    blocks = _drawn_blocks(len(output.weight), fraction)
    mean: Tensor = _SquaredError.apply(  # type: ignore[no-untyped-call]
        decoded, output.weight, output.bias, target, scored, blocks
    )
    return mean


class _Blocks(NamedTuple):
    """The blocks of genes that a step works out."""

    starts: list[int]  # the first gene of each
    share: float  # of all blocks


def _drawn_blocks(n_genes: int, fraction: float) -> _Blocks:
    starts = list(range(0, n_genes, BLOCK_GENES))
    n_drawn = max(1, round(fraction * len(starts)))
    if n_drawn == len(starts):
        return _Blocks(starts, 1.0)
    drawn = torch.randperm(len(starts))[:n_drawn].tolist()
    return _Blocks([starts[i] for i in drawn], n_drawn / len(starts))


class _Listed(NamedTuple):
    """The listed places, gene after gene."""

    place: Tensor  # (n_non_zeros,) int64: gene x n_cells + cell
    target: Tensor  # (n_non_zeros,)
    weight: Tensor  # (n_non_zeros,) relative to what is not listed
    ends: list[int]  # [n_genes + 1]: where each gene begins


class _SquaredError(torch.autograd.Function):
    """The gradients are worked out along with the loss; `backward` hands them on."""

    @staticmethod
    def forward(
        ctx: Any,
        decoded: Tensor,
        weight: Tensor,
        bias: Tensor,
        target: PackedRows,
        scored: PackedWeights,
        blocks: _Blocks,
    ) -> Tensor:
        listed = _listed(target, scored)
        # of what a gradient is the sum of: 2 w / total
        scale = 2 * scored.elsewhere / (float(scored.total()) or 1.0) / blocks.share
        of_decoded = torch.zeros_like(decoded)
        blank = torch.empty_like if blocks.share == 1 else torch.zeros_like
        of_weight, of_bias = blank(weight), blank(bias)
        error = decoded.new_zeros(())
        transposed = decoded.t()
        for start in blocks.starts:
            genes = slice(start, start + BLOCK_GENES)
            predicted = torch.addmm(bias[genes, None], weight[genes], transposed)
            error += _error(predicted, listed, start=start)  # and `predicted` becomes the slope
            torch.addmm(
                of_weight[genes], predicted, decoded, beta=0, alpha=scale, out=of_weight[genes]
            )
            torch.sum(predicted, dim=1, out=of_bias[genes])
            of_decoded.addmm_(predicted.t(), weight[genes])
        ctx.gradients = of_decoded.mul_(scale), of_weight, of_bias.mul_(scale)
        return error * (scale / 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.gradients is None:
            raise RuntimeError("packed_squared_error goes backward once; work the loss out again")
        # Handed over and forgotten: autograd copies a gradient that somebody else still holds.
        of_all, ctx.gradients = ctx.gradients, None
        if float(slope) != 1.0:  # the loss is mostly minimised as it is: spare two passes
            of_all = tuple(gradient.mul_(slope) for gradient in of_all)
        return *of_all, None, None, None


def _listed(target: PackedRows, scored: PackedWeights) -> _Listed:
    by_gene, (n_cells, n_genes) = target.pattern.by_gene, target.shape
    gene = torch.arange(n_genes).repeat_interleave(
        by_gene.indptr.diff(), output_size=len(by_gene.order)
    )
    return _Listed(
        place=gene * n_cells + by_gene.cell,
        target=target.value[by_gene.order],
        weight=scored.listed[by_gene.order] / scored.elsewhere,
        ends=by_gene.indptr.tolist(),
    )


def _error(predicted: Tensor, listed: _Listed, *, start: int) -> Tensor:
    """Return the weighted error () of genes from `start` on, relative to the weight of what is not listed.

    `predicted` (n_genes, n_cells) is changed to half the slope of that error.
    """
    n_genes, n_cells = predicted.shape
    those = slice(listed.ends[start], listed.ends[start + n_genes])
    flat, place = predicted.view(-1), listed.place[those] - start * n_cells
    at_listed = flat[place]
    difference = at_listed - listed.target[those]
    slope = listed.weight[those] * difference
    error = flat.dot(flat) - at_listed.dot(at_listed) + slope.dot(difference)
    flat[place] = slope
    return error
