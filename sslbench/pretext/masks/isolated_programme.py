"""Show half of one gene programme and score its other half; everything else is hidden."""

from __future__ import annotations

import torch
from torch import Tensor

from sslbench.config import ComponentOptions
from sslbench.pretext.masks.base import Mask, Needs
from sslbench.registry import MASKS

NEEDS: Needs = "gene"


class Options(ComponentOptions):
    """Nothing to choose: the programme decides how much is hidden."""


@MASKS.register
def isolated_programme_mask(
    x: Tensor,
    *,
    options: Options,  # noqa: ARG001 (the contract of every mask)
    programmes: Tensor,
    tf_genes: Tensor | None,  # noqa: ARG001
    generator: torch.Generator,
) -> Mask:
    """Show each cell a random half of one random programme and score the other half.

    Of a programme of n genes, n // 2 are visible and the rest is scored, so the encoder never sees
    what it is scored on. This is the intent of the GP-to-GP mask of Richter et al. 2024,
    doi 10.1038/s42256-024-00934-3.
    """
    drawn = torch.randint(len(programmes), (len(x),), generator=generator, device=x.device)
    member = programmes[drawn]  # (n_cells, n_genes)
    visible = _random_half(member, generator=generator)
    return Mask(hidden=~visible, scored=member & ~visible)


def _random_half(member: Tensor, *, generator: torch.Generator) -> Tensor:
    """Return half of the True entries of each row of `member` (n_cells, n_genes), rounded down."""
    n_visible = member.sum(dim=1, keepdim=True) // 2  # (n_cells, 1)
    order = torch.rand(member.shape, generator=generator, device=member.device)
    largest_half = member.shape[1] // 2
    first = order.masked_fill(~member, 2.0).topk(largest_half, dim=1, largest=False).indices
    kept = torch.arange(largest_half, device=member.device) < n_visible  # (n_cells, largest_half)
    return torch.zeros_like(member).scatter(1, first, kept)
