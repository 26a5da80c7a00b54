"""Show the targets of one transcription factor and score the factor's own gene."""

from __future__ import annotations

import torch
from torch import Tensor

from sslbench.config import ComponentOptions
from sslbench.pretext.masks.base import Mask, Needs
from sslbench.registry import MASKS

NEEDS: Needs = "tf"


class Options(ComponentOptions):
    """Nothing to choose: the targets decide how much is hidden."""


@MASKS.register
def programme_to_tf_mask(
    x: Tensor,
    *,
    options: Options,  # noqa: ARG001 (the contract of every mask)
    programmes: Tensor,
    tf_genes: Tensor,
    generator: torch.Generator,
) -> Mask:
    """Show each cell the targets of one random transcription factor; score the factor's gene alone.

    The factor's gene is hidden even where it is among its own targets. This is the intent of the
    GP-to-TF mask of Richter et al. 2024, doi 10.1038/s42256-024-00934-3.
    """
    drawn = torch.randint(len(programmes), (len(x),), generator=generator, device=x.device)
    scored = torch.zeros(x.shape, dtype=torch.bool, device=x.device)
    scored.scatter_(1, tf_genes[drawn].unsqueeze(1), True)
    return Mask(hidden=~programmes[drawn] | scored, scored=scored)
