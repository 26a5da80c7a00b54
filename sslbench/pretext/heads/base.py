"""The contract of a reconstruction head: from the decoder's output to a loss over the scored genes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from sslbench.data.cells import TARGET_SUM, CellBatch
from sslbench.pretext.masks.base import PackedWeights
from sslbench.registry import HEADS, defining_module

# A logit whose softmax is 0 beside any other, and finite, so that gradients stay numbers.
NOT_MEASURED = -1e4


class Head(nn.Module, ABC):
    """Owns the output layer; subclasses take `(options, n_inputs=…, n_genes=…)`."""

    @abstractmethod
    def loss(self, decoded: Tensor, minibatch: CellBatch, scored: Tensor) -> Tensor:
        """Return the mean loss () over the scored entries.

        `decoded` is (n_cells, n_inputs), `scored` (n_cells, n_genes) boolean or weights; a minibatch
        without a scored entry gives 0 with a gradient of 0.
        """

    @abstractmethod
    def expression(self, decoded: Tensor, minibatch: CellBatch) -> Tensor:
        """Return the log-normalised expression (n_cells, n_genes) expected of cells; nothing is drawn.

        `decoded` is (n_cells, n_inputs).
        """

    def packed_loss(self, decoded: Tensor, minibatch: CellBatch, scored: PackedWeights) -> Tensor:
        """Return the same for weights of packed expression; a head that gains by it does it without `dense`."""
        return self.loss(decoded, minibatch, scored.dense())


def build_head(name: str, options: dict[str, Any], *, n_inputs: int, n_genes: int) -> Head:
    """Build the registered head `name`; weights are drawn from torch's global stream."""
    head_class = HEADS.load(name)
    checked: Any = defining_module(head_class).Options.model_validate(options)
    head: Head = head_class(checked, n_inputs=n_inputs, n_genes=n_genes)
    return head


def mean_over_scored(losses: Tensor, scored: Tensor) -> Tensor:
    """Return the mean () of `losses` (n_cells, n_genes) weighted by `scored`, 0 if nothing is scored.

    Dividing by the number of scored entries, and not of all genes, makes the value mean the same at
    every mask rate.
    """
    weight = scored.to(losses.dtype)
    total = weight.sum()
    return (losses * weight).sum() / total.where(total > 0, 1.0)


def log_mean(logits: Tensor, minibatch: CellBatch) -> Tensor:
    """Return the log (n_cells, n_genes) of each cell's library size times a softmax over the genes measured for it.

    A cell's means add up to its library size, so depth is an offset and never something to learn; a
    cell without counts is taken as one of a single count. A gene that was not measured has next to no mean, and is
    never scored.
    """
    if minibatch.measured is not None:
        logits = logits.masked_fill(~minibatch.measured, NOT_MEASURED)
    log_size: Tensor = minibatch.library_size.clamp(min=1.0).log()
    return logits.log_softmax(dim=1) + log_size.unsqueeze(1)


def expression_of_means(logits: Tensor) -> Tensor:
    """Return log1p of the means of `log_mean`, scaled to 10,000 a cell, (n_cells, n_genes); ≥ 0.

    The library size drops out. This is the expression of the mean count, and not the mean of the expression,
    which is lower where counts are few.
    """
    return torch.log1p(TARGET_SUM * logits.softmax(dim=1))
