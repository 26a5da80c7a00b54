"""LARS: momentum whose step is scaled, layer by layer, to the size of the weights; for very large minibatches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.9
TRUST = 0.001


class LARS(torch.optim.Optimizer):
    """Layer-wise adaptive rate scaling.

    For every weight matrix w with gradient g: `d = g + weight_decay w`, `d <- d TRUST |w| / |d|`,
    `v <- MOMENTUM v + d`, `w <- w - lr v`. Biases and the parameters of norms (one dimension) take
    `d = g`: neither decayed nor scaled.

    Source: You et al., "Large batch training of convolutional networks", 2017, arXiv 1708.03888; with the
    exclusions, and with |d| where the paper has |g| + weight_decay |w|, as used for BYOL (arXiv
    2006.07733) and Barlow Twins (arXiv 2103.03230). No library among our pins has it.
    """

    def __init__(
        self, params: Iterable[nn.Parameter], *, lr: float, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient; a closure is not supported."""
        if closure is not None:
            raise ValueError("LARS takes no closure; call backward() before step()")
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, group)

    def _move(self, weight: Tensor, group: dict[str, Any]) -> None:
        direction = weight.grad
        assert direction is not None
        if weight.ndim > 1:
            direction = direction.add(weight, alpha=group["weight_decay"])
            direction = direction * trust_ratio(weight, direction)
        state = self.state[weight]
        if "velocity" not in state:
            state["velocity"] = torch.zeros_like(weight)
        state["velocity"].mul_(MOMENTUM).add_(direction)
        weight.add_(state["velocity"], alpha=-group["lr"])


def trust_ratio(weight: Tensor, direction: Tensor) -> Tensor:
    """Return TRUST |weight| / |direction| (), or 1 where one of the two is all zero."""
    sizes = torch.linalg.vector_norm(weight), torch.linalg.vector_norm(direction)
    ratio: Tensor = TRUST * sizes[0] / sizes[1]
    return torch.where((sizes[0] > 0) & (sizes[1] > 0), ratio, 1.0)
