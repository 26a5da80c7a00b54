"""Within each cell, exchange the values of randomly paired genes."""

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
        0.1,
        ge=0,
        le=1,
        description="fraction of genes whose values are exchanged, exact to one pair",
    )


@AUGMENTATIONS.register
class GeneSwap(Augmentation):
    """Every cell keeps its values, some at other genes; CLEAR, Han et al. 2022, doi 10.1093/bib/bbac377."""

    acts_on: ClassVar[ActsOn] = "values"

    def forward(self, cells: CellBatch, *, strength: float, generator: torch.Generator) -> Tensor:
        """Return x (n_cells, n_genes) with round(strength x n_genes / 2) disjoint pairs swapped in each cell."""
        x, n_genes = cells.x, cells.x.shape[1]
        n_pairs = min(round(strength * n_genes / 2), n_genes // 2)
        drawn = torch.rand(x.shape, generator=generator, device=x.device)
        genes = drawn.topk(2 * n_pairs, dim=1).indices  # in random order, no gene twice
        partners = genes.roll(n_pairs, dims=1)
        return x.scatter(1, genes, x.gather(1, partners))
