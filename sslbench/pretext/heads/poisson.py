"""Poisson likelihood of raw counts, with the cell's library size as offset."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslbench.config import ComponentOptions
from sslbench.data.cells import CellBatch
from sslbench.pretext.heads.base import Head, expression_of_means, log_mean, mean_over_scored
from sslbench.registry import HEADS


class Options(ComponentOptions):
    """Nothing to choose."""


@HEADS.register
class Poisson(Head):
    """The mean of a gene is the cell's library size times a softmax over genes."""

    def __init__(self, options: Options, *, n_inputs: int, n_genes: int) -> None:
        super().__init__()
        self.output = nn.Linear(n_inputs, n_genes)

    def loss(self, decoded: Tensor, minibatch: CellBatch, scored: Tensor) -> Tensor:
        """Return the mean negative log-likelihood () of the counts over the scored entries."""
        log_mu = log_mean(self.output(decoded), minibatch)
        return mean_over_scored(-poisson_log_likelihood(minibatch.counts, log_mu), scored)

    def expression(self, decoded: Tensor, minibatch: CellBatch) -> Tensor:
        """Return log1p of the expected counts scaled to 10,000 a cell, (n_cells, n_genes)."""
        return expression_of_means(self.output(decoded))


def poisson_log_likelihood(counts: Tensor, log_mu: Tensor) -> Tensor:
    """Return `counts * log_mu - mu - log(counts!)` elementwise, ≤ 0; `mu` is the mean."""
    return counts * log_mu - log_mu.exp() - torch.lgamma(counts + 1.0)
