"""The contract of an augmentation: a random change of expression that keeps the cell's identity."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from sslbench.config import ComponentOptions
from sslbench.data.cells import CellBatch, Cells
from sslbench.registry import AUGMENTATIONS, defining_module

ActsOn = Literal["counts", "cells", "values", "visibility"]
ORDER: tuple[ActsOn, ...] = ("counts", "cells", "values", "visibility")
BLOCK_VALUES = 4_000_000  # expression read at once while fitting: 16 MB


class Augmentation(nn.Module, ABC):
    """Subclasses take `(options)`; what must be known of training cells is fitted in `prepare`.

    Several are applied in the order of `acts_on`: what resamples raw counts starts from the cell as it was
    measured, then cells are mixed, then values changed, and genes are hidden last, so that nothing fills
    them again. Tensors fitted in `prepare` are buffers that are not saved (`persistent=False`).
    """

    acts_on: ClassVar[ActsOn]

    def __init__(self, options: ComponentOptions) -> None:
        super().__init__()

    def prepare(self, train: Cells) -> None:
        """Fit on training cells what the augmentation needs; by default nothing."""

    @abstractmethod
    def forward(self, cells: CellBatch, *, strength: float, generator: torch.Generator) -> Tensor:
        """Return a new x (n_cells, n_genes), not negative; `cells` stay as they are.

        Strength 0 gives the expression unchanged. Every draw comes from `generator`, on the device of
        `cells`. What needs `prepare` raises RuntimeError without it.
        """


def build_augmentation(name: str, options: dict[str, Any]) -> Augmentation:
    """Build the registered augmentation `name`."""
    augmentation_class = AUGMENTATIONS.load(name)
    checked = defining_module(augmentation_class).Options.model_validate(options)
    augmentation: Augmentation = augmentation_class(checked)
    return augmentation


def expression_blocks(train: Cells) -> Iterator[Tensor]:
    """Yield x (n_rows, n_genes) of all cells in their order, block by block: memory does not grow with them."""
    n_rows = max(1, BLOCK_VALUES // train.n_genes)
    for start in range(0, len(train), n_rows):
        yield train.minibatch(np.arange(start, min(start + n_rows, len(train)))).x
