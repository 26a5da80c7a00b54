"""Add normal noise to every value, in units of its gene's standard deviation, and clamp at 0."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from sslbench.config import ComponentOptions
from sslbench.data.cells import CellBatch, Cells
from sslbench.pretext.augmentations.base import ActsOn, Augmentation, expression_blocks
from sslbench.registry import AUGMENTATIONS


class Options(ComponentOptions):
    """The strength is the only choice."""

    strength: float = Field(
        0.5,
        ge=0,
        le=10,
        description="standard deviation of the noise, in units of each gene's own on training cells",
    )


@AUGMENTATIONS.register
class GaussianNoise(Augmentation):
    """Noise of one scale for all genes would drown those that vary little; hence a scale per gene.

    Gaussian noise, of one scale, is an augmentation of CLEAR: Han et al. 2022, doi 10.1093/bib/bbac377.
    """

    acts_on: ClassVar[ActsOn] = "values"
    scale: Tensor  # (n_genes,) float32, in units of x; empty until prepared

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.register_buffer("scale", torch.empty(0), persistent=False)

    def prepare(self, train: Cells) -> None:
        """Measure the standard deviation of each gene's expression."""
        self.scale = standard_deviation(expression_blocks(train)).to(self.scale)

    def forward(self, cells: CellBatch, *, strength: float, generator: torch.Generator) -> Tensor:
        """Return max(0, x + strength x scale x N(0, 1)), (n_cells, n_genes); constant genes keep their x."""
        if not len(self.scale):
            raise RuntimeError("gaussian_noise needs the scale of genes; call prepare(train) first")
        x = cells.x
        noise = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        return noise.mul_(strength * self.scale).add_(x).clamp_(min=0)


def standard_deviation(blocks: Iterable[Tensor]) -> Tensor:
    """Return the standard deviation (n_genes,) float64 over all rows of `blocks` (n_rows, n_genes) each.

    Divided by n, not n - 1. Values are taken relative to the first row: that of a constant gene is
    exactly 0.
    """
    origin: Tensor | None = None
    n, total, squares = 0, torch.tensor(0.0), torch.tensor(0.0)
    for block in blocks:
        x = block.double()
        origin = x[0] if origin is None else origin
        away = x - origin
        n, total, squares = n + len(x), total + away.sum(0), squares + away.square().sum(0)
    return (squares / n - (total / n).square()).clamp(min=0).sqrt()
