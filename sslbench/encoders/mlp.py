"""Fully connected network: hidden layers of any width, then a linear embedding."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

from pydantic import Field, PositiveInt, field_validator
from torch import Tensor, nn

from sslbench.config import ComponentOptions
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

    def __init__(self, options: Options, *, n_genes: int) -> None:
        super().__init__()
        self.n_genes, self.embedding_dim = n_genes, options.embedding_dim
        widths = (n_genes, *hidden_widths(options))
        hidden = [_hidden_layer(options, n_in, n_out) for n_in, n_out in pairwise(widths)]
        self.network = nn.Sequential(*hidden, nn.Linear(widths[-1], options.embedding_dim))
        if options.activation == "selu":
            lecun_normal(self.network)

    def forward(self, x: Tensor) -> Tensor:
        """Return z (n_cells, embedding_dim) of normalised expression x (n_cells, n_genes)."""
        z: Tensor = self.network(x)
        return z


def hidden_widths(options: Options) -> tuple[int, ...]:
    """Return the units of the hidden layers, in order from the genes to the embedding."""
    if options.hidden is None:
        return (options.width,) * options.depth
    return tuple(map(int, options.hidden.split("-")))


def _hidden_layer(options: Options, n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(n_in, n_out),
        NORMS[options.norm](n_out),
        ACTIVATIONS[options.activation](),
        nn.Dropout(options.dropout),
    )
