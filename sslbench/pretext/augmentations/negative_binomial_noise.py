"""Add overdispersed noise: normalised negative-binomial counts, of another success rate at every entry."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from sslbench.config import ComponentOptions
from sslbench.data.cells import CellBatch, normalise
from sslbench.pretext.augmentations.base import ActsOn, Augmentation
from sslbench.registry import AUGMENTATIONS

N_SUCCESSES = 10  # of the paper


class Options(ComponentOptions):
    """The strength is the only choice."""

    strength: float = Field(
        0.2, ge=0, le=1, description="factor of the noise, which is normalised like expression"
    )


@AUGMENTATIONS.register
class NegativeBinomialNoise(Augmentation):
    """Noise of NB(10, u), u ~ U(0, 1); Richter et al. 2024, doi 10.1038/s42256-024-00934-3 (there 0.2)."""

    acts_on: ClassVar[ActsOn] = "values"

    def forward(self, cells: CellBatch, *, strength: float, generator: torch.Generator) -> Tensor:
        """Return x + strength x log1p of noise counts scaled to 10,000 a cell, (n_cells, n_genes)."""
        counts = noise_counts(cells.x, generator)
        noise = normalise(counts, counts.sum(dim=1))
        return noise.mul_(strength).add_(cells.x)


def noise_counts(like: Tensor, generator: torch.Generator) -> Tensor:
    """Return failures before the 10th success, the success rate u ~ U(0, 1) drawn anew at every entry.

    Whole numbers in the shape and on the device of `like`. With u integrated out, the chance of k or
    more is 10 / (k + 10), which floor(10 / U) - 10 has too, U uniform in (0, 1]: one draw an entry. The
    mean is infinite; the largest value that the 24 bits of U reach is 1.7e8.
    """
    uniform = torch.rand(like.shape, generator=generator, device=like.device, dtype=like.dtype)
    uniform.sub_(1)  # -U: torch draws from [0, 1), and 10 / 0 is no count
    return (-N_SUCCESSES / uniform).floor_().sub_(N_SUCCESSES)
