"""Fully connected network with pre-norm residual blocks, then a linear embedding."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from sslbench.config import ComponentOptions
from sslbench.data.packed import Expression
from sslbench.encoders._gene_linear import GeneLinear
from sslbench.encoders._layers import ACTIVATIONS, NORMS
from sslbench.encoders.base import Encoder
from sslbench.registry import ENCODERS


class Options(ComponentOptions):
    """Every block keeps the width, so that depth can grow without gradients fading."""

    width: PositiveInt = Field(256, description="units between the blocks")
    depth: int = Field(2, ge=1, le=32, description="number of residual blocks")
    expansion: int = Field(
        2, ge=1, le=8, description="units inside a block, as a multiple of width"
    )
    embedding_dim: PositiveInt = Field(64, description="dimensions of the embedding")
    dropout: float = Field(0.1, ge=0, lt=1, description="rate at the end of each block")
    norm: Literal["none", "layer", "batch"] = Field(
        "layer", description="normalisation at the start of each block and before the embedding"
    )
    activation: Literal["relu", "gelu", "silu", "elu", "tanh"] = Field(
        "gelu", description="inside each block"
    )


@ENCODERS.register
class ResidualMLP(Encoder):
    """A linear layer, residual blocks, a norm and one linear layer to the embedding.

    Pre-norm residual blocks follow Gorishniy et al., "Revisiting deep learning models for tabular
    data", 2021, arXiv 2106.11959.
    """

    reads_packed = True

    def __init__(self, options: Options, *, n_genes: int) -> None:
        super().__init__()
        self.n_genes, self.embedding_dim = n_genes, options.embedding_dim
        self.network = nn.Sequential(
            GeneLinear(n_genes, options.width),
            *(_Block(options) for _ in range(options.depth)),
            NORMS[options.norm](options.width),
            nn.Linear(options.width, options.embedding_dim),
        )

    def forward(self, x: Expression) -> Tensor:
        """Return z (n_cells, embedding_dim) of normalised expression x (n_cells, n_genes)."""
        z: Tensor = self.network(x)
        return z


class _Block(nn.Module):
    """`h + dropout(linear(activation(linear(norm(h)))))`, h (n_cells, width)."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        inner = options.width * options.expansion
        self.branch = nn.Sequential(
            NORMS[options.norm](options.width),
            nn.Linear(options.width, inner),
            ACTIVATIONS[options.activation](),
            nn.Linear(inner, options.width),
            nn.Dropout(options.dropout),
        )

    def forward(self, h: Tensor) -> Tensor:
        added: Tensor = self.branch(h)
        return h + added
