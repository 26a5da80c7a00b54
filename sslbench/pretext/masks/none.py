"""Hide nothing and score everything: a plain autoencoder, the control of every mask."""

from __future__ import annotations

import torch
from torch import Tensor

from sslbench.config import ComponentOptions
from sslbench.pretext.masks.base import Mask, Needs
from sslbench.registry import MASKS

NEEDS: Needs = None


class Options(ComponentOptions):
    """Nothing to choose."""


@MASKS.register
def no_mask(
    x: Tensor,
    *,
    options: Options,  # noqa: ARG001 (the contract of every mask)
    programmes: Tensor | None,  # noqa: ARG001
    tf_genes: Tensor | None,  # noqa: ARG001
    generator: torch.Generator,  # noqa: ARG001
) -> Mask:
    """Return `hidden` all False and `scored` all True: the one mask that shows what it scores."""
    nothing = torch.zeros(x.shape, dtype=torch.bool, device=x.device)
    return Mask(hidden=nothing, scored=~nothing)
