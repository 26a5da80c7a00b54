"""Transformer over patches of genes: each patch is a token, tokens attend to each other, then a linear embedding."""

from __future__ import annotations

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn.functional import pad

from sslbench.config import ComponentOptions
from sslbench.encoders.base import Encoder
from sslbench.registry import ENCODERS


class Options(ComponentOptions):
    """Defaults cost about as much as those of mlp; width must be a multiple of heads."""

    patches: int = Field(
        8, ge=1, le=1024, description="tokens: groups of genes in panel order, all of one size"
    )
    width: PositiveInt = Field(
        64, description="units of a token, a multiple of heads; search it by choice"
    )
    depth: int = Field(1, ge=1, le=32, description="number of transformer blocks")
    heads: PositiveInt = Field(4, description="attention heads of a block")
    expansion: int = Field(
        2,
        ge=1,
        le=8,
        description="units inside a block's feed-forward part, as a multiple of width",
    )
    embedding_dim: PositiveInt = Field(64, description="dimensions of the embedding")
    dropout: float = Field(
        0.1, ge=0, lt=1, description="rate inside each block, attention included"
    )

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Options:
        if self.width % self.heads:
            raise ValueError(
                f"width must be a multiple of heads, got width={self.width} and heads={self.heads}; "
                f"use width={self.heads * max(1, round(self.width / self.heads))}"
            )
        return self


@ENCODERS.register
class Transformer(Encoder):
    """Patch projection, pre-norm blocks, mean over tokens, a norm and one linear layer to the embedding.

    Patches as tokens follow Dosovitskiy et al., "An image is worth 16x16 words", 2020, arXiv 2010.11929.
    Unlike pixels, the genes of one patch are not those of another: each patch has a projection of its own,
    whose bias is at once its learned position. Neighbours in the panel mean nothing, so patches are
    arbitrary but fixed groups.

    A training step with the defaults costs 1.4 times that of `mlp` with its own (masked autoencoder, 2,000
    genes, minibatch 128, one CPU thread).
    """

    def __init__(self, options: Options, *, n_genes: int) -> None:
        super().__init__()
        self.n_genes, self.embedding_dim = n_genes, options.embedding_dim
        self.patches = PatchProjection(n_genes, patches=options.patches, width=options.width)
        self.blocks = nn.Sequential(*(_block(options) for _ in range(options.depth)))
        self.norm = nn.LayerNorm(options.width)
        self.output = nn.Linear(options.width, options.embedding_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return z (n_cells, embedding_dim) of normalised expression x (n_cells, n_genes)."""
        tokens = self.blocks(self.patches(x))  # (n_cells, n_patches, width)
        z: Tensor = self.output(self.norm(tokens.mean(dim=1)))
        return z


class PatchProjection(nn.Module):
    """Genes in panel order, cut into patches of equal size; the last is filled up with zeros.

    There are as many patches as the size, rounded up, leaves non-empty: at most `patches`.
    """

    def __init__(self, n_genes: int, *, patches: int, width: int) -> None:
        super().__init__()
        self.size = -(-n_genes // patches)
        n_patches = -(-n_genes // self.size)
        self.n_padded = n_patches * self.size - n_genes
        bound = self.size**-0.5  # as nn.Linear of a patch's genes would be drawn
        self.weight = nn.Parameter(torch.empty(n_patches, self.size, width).uniform_(-bound, bound))
        # one dimension, as every bias has: LARS tells them by it
        self.bias = nn.Parameter(torch.empty(n_patches * width).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens (n_cells, n_patches, width) of x (n_cells, n_genes)."""
        patched = pad(x, (0, self.n_padded)).reshape(len(x), -1, self.size)
        bias = self.bias.view(len(self.weight), 1, -1)
        tokens = torch.baddbmm(bias, patched.transpose(0, 1), self.weight)
        return tokens.transpose(0, 1)


def _block(options: Options) -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(
        options.width,
        options.heads,
        dim_feedforward=options.width * options.expansion,
        dropout=options.dropout,
        activation="gelu",
        batch_first=True,
        norm_first=True,
    )
