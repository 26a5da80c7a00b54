"""Set each gene of each cell to 0 independently with the same probability."""

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

    strength: float = Field(0.5, ge=0, le=1, description="expected fraction of genes set to 0")


@AUGMENTATIONS.register
class GeneDropout(Augmentation):
    """Random masking as a view; Richter et al. 2024, doi 10.1038/s42256-024-00934-3 (there 0.1)."""

    acts_on: ClassVar[ActsOn] = "visibility"

    def forward(self, cells: CellBatch, *, strength: float, generator: torch.Generator) -> Tensor:
        """Return x (n_cells, n_genes) with a fraction `strength` of its entries set to 0."""
        x = cells.x
        dropped = torch.rand(x.shape, generator=generator, device=x.device) < strength
        return x.masked_fill(dropped, 0.0)
