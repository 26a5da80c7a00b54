"""Hide each gene of each cell independently with the same probability."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from sslbench.config import ComponentOptions
from sslbench.data.packed import PackedRows
from sslbench.pretext.masks.base import Mask, Needs, PackedMask, PackedWeights
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


def of_non_zeros(x: PackedRows, *, options: Options, generator: torch.Generator) -> PackedMask:
    """Hide each non-zero with probability `options.rate`, and weigh every zero by its chance to be hidden.

    Whether a zero is hidden changes only whether it is scored, so its mean takes the place of a draw: the sum of
    weighted losses, its gradient and the sum of weights have the expectations of `random_mask`, with less
    variance. There are as many draws as non-zeros.
    """
    hidden = torch.rand(x.value.shape, generator=generator, device=x.value.device) < options.rate
    weights = PackedWeights(
        pattern=x.pattern, listed=hidden.to(x.value.dtype), elsewhere=options.rate
    )
    return PackedMask(hidden=hidden, scored=weights)
