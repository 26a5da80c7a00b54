"""scVI's encoder, to the mean of its posterior: batch-normalised layers on raw counts, filled by the pretext task of its name."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from sslbench.config import ComponentOptions
from sslbench.encoders.base import Encoder
from sslbench.registry import ENCODERS


class Options(ComponentOptions):
    """The defaults are those of scvi-tools (n_hidden, n_layers, n_latent, dropout_rate)."""

    width: PositiveInt = Field(128, description="units of each hidden layer")
    depth: int = Field(1, ge=1, le=16, description="number of hidden layers")
    embedding_dim: PositiveInt = Field(10, description="dimensions of the embedding")
    dropout: float = Field(0.1, ge=0, lt=1, description="rate after each hidden activation")


@ENCODERS.register
class ScviEncoder(Encoder):
    """Hidden layers (linear, batch norm, ReLU, dropout), then one linear layer to the mean of q(z|x).

    The mean depends on the counts alone: scVI gives the batch of a cell to its decoder.
    Source: Lopez et al. 2018, doi 10.1038/s41592-018-0229-2.
    """

    reads_counts: ClassVar[bool] = True

    def __init__(self, options: Options, *, n_genes: int) -> None:
        super().__init__()
        self.n_genes, self.embedding_dim = n_genes, options.embedding_dim
        widths = (n_genes, *(options.width,) * options.depth)
        hidden = [
            nn.Sequential(
                nn.Linear(n_inputs, n_outputs),
                nn.BatchNorm1d(n_outputs, momentum=0.01, eps=0.001),  # scvi-tools' own two values
                nn.ReLU(),
                nn.Dropout(options.dropout),
            )
            for n_inputs, n_outputs in pairwise(widths)
        ]
        self.network = nn.Sequential(*hidden, nn.Linear(options.width, options.embedding_dim))

    def forward(self, x: Tensor) -> Tensor:
        """Return z (n_cells, embedding_dim) of log1p of raw counts x (n_cells, n_genes)."""
        z: Tensor = self.network(x)
        return z
