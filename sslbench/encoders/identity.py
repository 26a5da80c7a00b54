"""No network at all: a cell's embedding is its normalised expression, for baselines that work on genes themselves."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from sslbench.config import ComponentOptions
from sslbench.encoders.base import Encoder
from sslbench.registry import ENCODERS


class Options(ComponentOptions):
    """Nothing to choose: there is one dimension a gene."""


@ENCODERS.register
class Identity(Encoder):
    """`z = x`, without weights.

    The embedding is dense, n_cells x n_genes, and what scores it holds some copies of it: 250 million values, 1 GB
    as float32, are the most that is tried. More cells need fewer genes (`n_top_genes`), or a `linear` encoder.
    """

    most_values: ClassVar[int | None] = 250_000_000

    def __init__(self, options: Options, *, n_genes: int) -> None:
        super().__init__()
        self.n_genes = self.embedding_dim = n_genes

    def forward(self, x: Tensor) -> Tensor:
        """Return z (n_cells, n_genes): normalised expression x (n_cells, n_genes) as it is."""
        return x
