"""A target network that follows another one slowly."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn


def target_of(online: nn.Module) -> nn.Module:
    """Return a copy that no gradient reaches."""
    return copy.deepcopy(online).requires_grad_(False)


def momentum_at(progress: float, *, start: float) -> float:
    """Return the momentum after a fraction `progress` of training: from `start` to 1 along a cosine.

    Source: Grill et al., "Bootstrap your own latent", 2020, arXiv 2006.07733, section 3.3. A start of 0
    stays 0, so that a target which is always the online network can be asked for.
    """
    if start == 0:
        return 0.0
    return 1 - (1 - start) * (math.cos(math.pi * progress) + 1) / 2


@torch.no_grad()
def follow(target: nn.Module, online: nn.Module, *, momentum: float) -> None:
    """Set every weight of `target` to momentum x itself + (1 - momentum) x that of `online`.

    Means and variances of batch normalisation are no weights: each network keeps those of what it saw.
    """
    for slow, fast in zip(target.parameters(), online.parameters(), strict=True):
        slow.lerp_(fast, 1 - momentum)
