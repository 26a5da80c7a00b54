"""Keep each counted molecule with the same probability: the cell as a shallower sequencing would show it."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from sslbench.config import ComponentOptions
from sslbench.data.cells import CellBatch, normalise
from sslbench.pretext.augmentations.base import ActsOn, Augmentation
from sslbench.registry import AUGMENTATIONS


class Options(ComponentOptions):
    """The strength is the only choice."""

    strength: float = Field(
        0.3, ge=0, le=1, description="expected fraction of each cell's molecules that is lost"
    )


@AUGMENTATIONS.register
class CountThinning(Augmentation):
    """Binomial thinning: a Poisson count stays Poisson, with its rate times the probability to be kept."""

    acts_on: ClassVar[ActsOn] = "counts"

    def forward(self, cells: CellBatch, *, strength: float, generator: torch.Generator) -> Tensor:
        """Return x (n_cells, n_genes) of the thinned raw counts; a cell that loses all of them becomes 0."""
        counts = thinned(cells.counts, keep=1 - strength, generator=generator)
        return normalise(counts, counts.sum(dim=1))


def thinned(counts: Tensor, *, keep: float, generator: torch.Generator) -> Tensor:
    """Return Binomial(counts, keep) (n_cells, n_genes): whole numbers, none above its count."""
    probability = torch.tensor(keep, device=counts.device, dtype=counts.dtype)
    return torch.binomial(counts, probability.expand_as(counts), generator=generator)
