"""Set whole gene programmes to 0 until the wished fraction of genes is hidden."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from sslbench.config import ComponentOptions
from sslbench.data.cells import CellBatch, Cells
from sslbench.data.gene_programmes import gene_programmes
from sslbench.pretext.augmentations.base import ActsOn, Augmentation
from sslbench.registry import AUGMENTATIONS, MASKS, defining_module

MASK = "gene_programme"


class Options(ComponentOptions):
    """How many genes are hidden, and which belong together."""

    strength: float = Field(
        0.3, ge=0, le=1, description="fraction of genes set to 0, exact to one gene"
    )
    programmes: str = Field(
        "bundled",
        description="bundled, coexpression (found on training cells) or the path of a .gmt file",
    )


@AUGMENTATIONS.register
class ProgrammeDropout(Augmentation):
    """The mask `gene_programme` as a view, drawn for each cell; the mask names its source."""

    acts_on: ClassVar[ActsOn] = "visibility"
    programmes: Tensor  # (n_programmes, n_genes) bool; empty until prepared

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.source = options.programmes
        self.mask = MASKS.load(MASK)
        self.register_buffer("programmes", torch.empty(0, 0, dtype=torch.bool), persistent=False)

    def prepare(self, train: Cells) -> None:
        """Read, or find on training cells, the gene programmes."""
        matrix = gene_programmes(self.source, train=train).matrix
        self.programmes = torch.from_numpy(matrix).to(self.programmes)

    def forward(self, cells: CellBatch, *, strength: float, generator: torch.Generator) -> Tensor:
        """Return x (n_cells, n_genes) with round(strength x n_genes) genes of each cell set to 0.

        Above strength 0 that is at least one gene and at most all but one, as in the mask.
        """
        if not len(self.programmes):
            raise RuntimeError("programme_dropout needs programmes; call prepare(train) first")
        if strength == 0:
            return cells.x.clone()
        rate = min(strength, math.nextafter(1, 0))  # 1 is no rate of the mask
        hidden = self.mask(
            cells.x,
            options=defining_module(self.mask).Options(rate=rate),
            programmes=self.programmes,
            tf_genes=None,
            generator=generator,
        ).hidden
        return cells.x.masked_fill(hidden, 0.0)
