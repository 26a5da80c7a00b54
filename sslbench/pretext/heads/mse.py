"""Squared error of normalised expression, from a linear output."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from sslbench.config import ComponentOptions
from sslbench.data.cells import CellBatch
from sslbench.data.packed import PackedRows
from sslbench.pretext.heads._squared_error import packed_squared_error
from sslbench.pretext.heads.base import Head, mean_over_scored
from sslbench.pretext.masks.base import PackedWeights
from sslbench.registry import HEADS


class Options(ComponentOptions):
    """Everything is worked out, unless a sweep asks for cheaper steps."""

    fraction: float = Field(1.0, gt=0, le=1, description="fraction of the outputs worked out")


@HEADS.register
class MeanSquaredError(Head):
    """`(x - predicted)²`; the output is linear and unbounded, because x reaches log1p(10,000) = 9.2."""

    def __init__(self, options: Options, *, n_inputs: int, n_genes: int) -> None:
        super().__init__()
        self.output = nn.Linear(n_inputs, n_genes)
        self.fraction = options.fraction

    def loss(self, decoded: Tensor, minibatch: CellBatch, scored: Tensor) -> Tensor:
        """Return the mean squared error () of x over the scored entries; ≥ 0, lower is better."""
        return mean_over_scored((self.output(decoded) - minibatch.x).square(), scored)

    def expression(self, decoded: Tensor, minibatch: CellBatch) -> Tensor:
        """Return the output (n_cells, n_genes) itself."""
        expected: Tensor = self.output(decoded)
        return expected

    def packed_loss(self, decoded: Tensor, minibatch: CellBatch, scored: PackedWeights) -> Tensor:
        """Return the same without an array of (n_cells, n_genes); in training, of a fraction of the genes."""
        target = minibatch.expression
        assert isinstance(target, PackedRows)
        return packed_squared_error(
            decoded,
            output=self.output,
            target=target,
            scored=scored,
            fraction=self.fraction if self.training else 1.0,
        )
