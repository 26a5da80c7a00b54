"""Take some genes of each cell from another random cell of the minibatch."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from sslbench.config import ComponentOptions
from sslbench.data.cells import CellBatch
from sslbench.pretext.augmentations.base import ActsOn, Augmentation
from sslbench.registry import AUGMENTATIONS


class Options(ComponentOptions):
    """The strength is the only choice."""

    strength: float = Field(
        0.25, ge=0, le=1, description="expected fraction of genes taken from the other cell"
    )


@AUGMENTATIONS.register
class Crossover(Augmentation):
    """Every other cell is equally likely, whatever its type; CLEAR, Han et al. 2022, doi 10.1093/bib/bbac377."""

    acts_on: ClassVar[ActsOn] = "cells"

    def forward(self, cells: CellBatch, *, strength: float, generator: torch.Generator) -> Tensor:
        """Return x (n_cells, n_genes), each gene with probability `strength` the partner's; one cell stays."""
        x = cells.x
        partner = partners(len(x), generator=generator, device=x.device)
        taken = torch.rand(x.shape, generator=generator, device=x.device) < strength
        return x[partner].where(taken, x)


def partners(n_cells: int, *, generator: torch.Generator, device: torch.device) -> Tensor:
    """Return for each cell another one (n_cells,) int64, uniformly; itself only where there is no other."""
    away = torch.randint(1, max(n_cells, 2), (n_cells,), generator=generator, device=device)
    return (torch.arange(n_cells, device=device) + away) % n_cells
