"""Fully connected network: hidden layers of any width, then a linear embedding."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

from pydantic import Field, PositiveInt, field_validator
from torch import Tensor, nn

from sslbench.config import ComponentOptions
from sslbench.data.packed import Expression
from sslbench.encoders._gene_linear import GeneLinear
from sslbench.encoders._layers import ACTIVATIONS, NORMS, lecun_normal
from sslbench.encoders.base import Encoder
from sslbench.registry import ENCODERS


class Options(ComponentOptions):
    """The encoder of Richter et al. 2024: hidden [512, 512, 256, 256], activation selu, norm none."""

    width: PositiveInt = Field(256, description="units of each hidden layer")
    depth: int = Field(2, ge=0, le=16, description="number of hidden layers; 0 is a linear map")
    hidden: str | None = Field(
        None,
        pattern=r"^[1-9]\d*(-[1-9]\d*)*$",
        description="units of the hidden layers one by one, [512, 256] or 512-256; replaces width and depth",
    )
    embedding_dim: PositiveInt = Field(64, description="dimensions of the embedding")
    dropout: float = Field(0.1, ge=0, lt=1, description="rate after each hidden activation")
    norm: Literal["none", "layer", "batch"] = Field(
        "layer", description="normalisation before each hidden activation"
    )
    activation: Literal["relu", "gelu", "silu", "elu", "selu", "tanh"] = Field(
        "gelu", description="of each hidden layer; selu brings its own initialisation"
    )

    @field_validator("hidden", mode="before")
    @classmethod
    def _one_scalar(cls, given: Any) -> Any:
        """Write a list as 512-256: options are scalars, so that they can be searched and logged."""
        widths = [given] if isinstance(given, int) else given
        return "-".join(map(str, widths)) if isinstance(widths, list | tuple) else given


@ENCODERS.register
class MLP(Encoder):
    """Hidden layers (linear, norm, activation, dropout), then one linear layer to the embedding."""

    reads_packed = True

    def __init__(self, options: Options, *, n_genes: int) -> None:
        super().__init__()
        self.n_genes, self.embedding_dim = n_genes, options.embedding_dim
        widths = (n_genes, *hidden_widths(options), options.embedding_dim)
        linear = (GeneLinear(*widths[:2]), *(nn.Linear(*pair) for pair in pairwise(widths[1:])))
        hidden = [_hidden_layer(options, layer) for layer in linear[:-1]]
        self.network = nn.Sequential(*hidden, linear[-1])
        if options.activation == "selu":
            lecun_normal(self.network)

    def forward(self, x: Expression) -> Tensor:
        """Return z (n_cells, embedding_dim) of normalised expression x (n_cells, n_genes)."""
        z: Tensor = self.network(x)
        return z


def hidden_widths(options: Options) -> tuple[int, ...]:
    """Return the units of the hidden layers, in order from the genes to the embedding."""
    if options.hidden is None:
        return (options.width,) * options.depth
    return tuple(map(int, options.hidden.split("-")))


def _hidden_layer(options: Options, linear: nn.Linear) -> nn.Sequential:
    return nn.Sequential(
        linear,
        NORMS[options.norm](linear.out_features),
        ACTIVATIONS[options.activation](),
        nn.Dropout(options.dropout),
    )
