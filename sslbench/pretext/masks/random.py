"""Hide each gene of each cell independently with the same probability."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from sslbench.config import ComponentOptions
from sslbench.pretext.masks.base import Mask, Needs
from sslbench.registry import MASKS

NEEDS: Needs = None


class Options(ComponentOptions):
    """The rate is the only choice."""

    rate: float = Field(0.5, gt=0, lt=1, description="expected fraction of genes hidden")


@MASKS.register
def random_mask(
    x: Tensor,
    *,
    options: Options,
    programmes: Tensor | None,  # noqa: ARG001 (the contract of every mask)
    tf_genes: Tensor | None,  # noqa: ARG001
    generator: torch.Generator,
) -> Mask:
    """Hide each gene of each cell with probability `options.rate`; score exactly the hidden ones.

    Source: the random mask of Richter et al. 2024, doi 10.1038/s42256-024-00934-3 (there at rate 0.5).
    """
    hidden = torch.rand(x.shape, generator=generator, device=x.device) < options.rate
    return Mask(hidden=hidden, scored=hidden)
