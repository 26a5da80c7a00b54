"""The contract of an encoder: expression in, embedding out, and always in eval mode when it is used."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from sslbench.data.cells import CellBatch, Cells
from sslbench.data.packed import Expression, dense
from sslbench.errors import ConfigError
from sslbench.registry import ENCODERS, defining_module

EMBED_ROWS = 1024


class Encoder(nn.Module, ABC):
    """A network (n_cells, n_genes) → (n_cells, embedding_dim); subclasses take `(options, n_genes=…)`."""

    n_genes: int
    embedding_dim: int
    reads_packed: ClassVar[bool] = (
        False  # True: `forward` takes packed rows too, and saves their zeros
    )
    # True: `forward` takes log1p of raw counts; losses show normalised expression, so it cannot be trained here.
    reads_counts: ClassVar[bool] = False
    most_values: ClassVar[int | None] = None  # n_cells x embedding_dim that is tried; None: any

    def __call__(self, x: Expression) -> Tensor:
        """Return z (n_cells, embedding_dim) of expression x, dense or packed."""
        z: Tensor = super().__call__(x if self.reads_packed else dense(x))
        return z

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Return z (n_cells, embedding_dim) of normalised expression x (n_cells, n_genes)."""

    def inputs(self, minibatch: CellBatch) -> Expression:
        """Return what `forward` takes of a minibatch."""
        return minibatch.log_counts if self.reads_counts else minibatch.expression


def build_encoder(name: str, options: dict[str, Any], *, n_genes: int) -> Encoder:
    """Build the registered encoder `name`; weights are drawn from torch's global stream."""
    encoder_class = ENCODERS.load(name)
    checked = defining_module(encoder_class).Options.model_validate(options)
    encoder: Encoder = encoder_class(checked, n_genes=n_genes)
    return encoder


def encoder_bytes(name: str, options: dict[str, Any], *, n_genes: int) -> int:
    """Return how much the weights of an encoder take, without drawing or holding any."""
    with torch.device("meta"):
        encoder = build_encoder(name, options, n_genes=n_genes)
    return sum(tensor.numel() * tensor.element_size() for tensor in encoder.state_dict().values())


def refuse_too_many(encoder: Encoder, *, n_cells: int) -> None:
    """Raise ConfigError if the embedding of so many cells is larger than this encoder is meant for."""
    most, n_values = encoder.most_values, n_cells * encoder.embedding_dim
    if most is not None and n_values > most:
        raise ConfigError(
            f"the dense embedding of {n_cells:,} cells in {encoder.embedding_dim:,} dimensions has {n_values:,} values, "
            f"and an encoder {type(encoder).__name__} is for {most:,} at most",
            code="C036",
            fix=f"n_top_genes: {most // n_cells} or less, or another encoder (linear, for principal components)",
        )


def embed_expression(encoder: nn.Module, x: Expression) -> Tensor:
    """Return the output of a network for x in eval mode and without gradients; the mode is put back."""
    was_training = encoder.training
    encoder.eval()
    try:
        with torch.inference_mode():
            z: Tensor = encoder(x)
            return z
    finally:
        encoder.train(was_training)


def embed_rows(network: nn.Module, rows: np.ndarray, *, device: str) -> np.ndarray:
    """Return the output of a network for rows (n_cells, n_inputs) float32, block by block, in eval mode."""
    parts = []
    for start in range(0, len(rows), EMBED_ROWS):
        block = torch.from_numpy(rows[start : start + EMBED_ROWS]).to(device)
        parts.append(embed_expression(network, block).cpu())
    return torch.cat(parts).numpy()


def embed_cells(encoder: Encoder, cells: Cells, *, device: str = "cpu") -> np.ndarray:
    """Return z (n_cells, embedding_dim) float32 of all cells, in their order, in eval mode.

    Raises
    ------
    ConfigError
        C036 if it would be larger than the encoder is meant for.
    """
    refuse_too_many(encoder, n_cells=len(cells))
    parts = []
    for start in range(0, len(cells), EMBED_ROWS):
        index = np.arange(start, min(start + EMBED_ROWS, len(cells)))
        x = encoder.inputs(cells.minibatch(index, device=device))
        parts.append(embed_expression(encoder, x).cpu())
    return torch.cat(parts).numpy()
