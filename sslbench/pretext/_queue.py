"""A ring of the projections of recent minibatches, which later minibatches are compared with."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

NO_CELL = -1


class Queue(nn.Module):
    """Keys of unit length and the cells they are of; the oldest ones are overwritten first.

    It starts full of random directions that are of no cell. What a loss compares with must not change
    before its gradient is taken, so new keys are only staged there and enter in `enqueue`.
    """

    keys: Tensor  # (queue_size, n_dimensions) float32, rows of length 1
    row_ids: Tensor  # (queue_size,) int64: the key's row of the cell store, -1 for no cell
    position: Tensor  # () int64: the row that is overwritten next

    def __init__(self, size: int, *, n_dimensions: int) -> None:
        super().__init__()
        self.register_buffer("keys", normalize(torch.randn(size, n_dimensions), dim=1))
        self.register_buffer("row_ids", torch.full((size,), NO_CELL))
        self.register_buffer("position", torch.tensor(0))
        self.staged: tuple[Tensor, Tensor] | None = None

    def stage(self, keys: Tensor, *, row_ids: Tensor) -> None:
        """Hold `keys` (n_cells, n_dimensions) of the cells `row_ids` (n_cells,) for `enqueue`.

        Keys that are staged already are forgotten.
        """
        self.staged = normalize(keys.detach(), dim=1), row_ids

    def enqueue(self) -> None:
        """Write what is staged over the oldest keys; of more keys than there is room, the last ones stay."""
        if self.staged is None:
            return
        size = len(self.keys)
        keys, row_ids = (staged[-size:] for staged in self.staged)
        rows = (self.position + torch.arange(len(keys), device=keys.device)) % size
        self.keys[rows] = keys
        self.row_ids[rows] = row_ids
        self.position.copy_((self.position + len(keys)) % size)
        self.staged = None

    def of_same_cell(self, row_ids: Tensor) -> Tensor:
        """Say which keys are of which cells: (n_cells, queue_size) bool for `row_ids` (n_cells,)."""
        return row_ids.unsqueeze(1) == self.row_ids
