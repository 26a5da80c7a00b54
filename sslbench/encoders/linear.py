"""One linear map: the simplest encoder, and the one that PCA fills in."""

from __future__ import annotations

from pydantic import Field, PositiveInt
from torch import Tensor

from sslbench.config import ComponentOptions
from sslbench.data.packed import Expression
from sslbench.encoders._gene_linear import GeneLinear
from sslbench.encoders.base import Encoder
from sslbench.registry import ENCODERS


class Options(ComponentOptions):
    """A linear map has no choice but its size."""

    embedding_dim: PositiveInt = Field(64, description="dimensions of the embedding")


@ENCODERS.register
class Linear(Encoder):
    """`z = x @ weight.T + bias`."""

    reads_packed = True

    def __init__(self, options: Options, *, n_genes: int) -> None:
        super().__init__()
        self.n_genes, self.embedding_dim = n_genes, options.embedding_dim
        self.projection = GeneLinear(n_genes, options.embedding_dim)

    def forward(self, x: Expression) -> Tensor:
        """Return z (n_cells, embedding_dim) of normalised expression x (n_cells, n_genes)."""
        z: Tensor = self.projection(x)
        return z
