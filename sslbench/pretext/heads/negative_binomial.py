"""Negative-binomial likelihood of raw counts, with the cell's library size as offset."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from sslbench.config import ComponentOptions
from sslbench.data.cells import CellBatch
from sslbench.pretext.heads.base import Head, expression_of_means, log_mean, mean_over_scored
from sslbench.registry import HEADS

# Outside these bounds a count cannot tell the dispersion: log theta of -9 … 9.
LARGEST_LOG_DISPERSION = 9.0


class Options(ComponentOptions):
    """Nothing to choose."""


@HEADS.register
class NegativeBinomial(Head):
    """Mean as in `poisson`; one inverse dispersion theta a gene, variance `mu + mu² / theta`."""

    def __init__(self, options: Options, *, n_inputs: int, n_genes: int) -> None:
        super().__init__()
        self.output = nn.Linear(n_inputs, n_genes)
        self.log_theta = nn.Parameter(torch.zeros(n_genes))

    def loss(self, decoded: Tensor, minibatch: CellBatch, scored: Tensor) -> Tensor:
        """Return the mean negative log-likelihood () of the counts over the scored entries."""
        log_mu = log_mean(self.output(decoded), minibatch)
        log_theta = self.log_theta.clamp(-LARGEST_LOG_DISPERSION, LARGEST_LOG_DISPERSION)
        likelihood = negative_binomial_log_likelihood(minibatch.counts, log_mu, log_theta=log_theta)
        return mean_over_scored(-likelihood, scored)

    def expression(self, decoded: Tensor, minibatch: CellBatch) -> Tensor:
        """Return log1p of the expected counts scaled to 10,000 a cell, (n_cells, n_genes)."""
        return expression_of_means(self.output(decoded))


def negative_binomial_log_likelihood(
    counts: Tensor, log_mu: Tensor, *, log_theta: Tensor
) -> Tensor:
    """Return the log-probability (n_cells, n_genes) of `counts`, ≤ 0.

    `log_mu` (n_cells, n_genes) is the log mean, `log_theta` (n_genes,) the log inverse dispersion.
    Both log-ratios are written with softplus, which neither overflows nor cancels.
    """
    log_ratio = log_mu - log_theta
    log_failures = -log_theta.exp() * softplus(log_ratio)  # theta log(theta / (theta + mu))
    log_successes = -counts * softplus(-log_ratio)  # counts log(mu / (theta + mu))
    return log_failures + log_successes + _log_coefficient(counts, log_theta)


def _log_coefficient(counts: Tensor, log_theta: Tensor) -> Tensor:
    """Return `log Γ(c + theta) - log Γ(theta) - log c!` (n_cells, n_genes), 0 where the count is 0.

    Most counts are 0, so only the others are worked out; in float64, because the two gamma terms are
    large and nearly equal where theta is large. On a GPU finding them costs one synchronisation.
    """
    cell, gene = counts.nonzero(as_tuple=True)
    c, theta = counts[cell, gene].double(), log_theta.double().exp()
    # Γ(theta) once a gene, not once an entry.
    values = torch.lgamma(c + theta[gene]) - torch.lgamma(theta)[gene] - torch.lgamma(c + 1.0)
    return torch.zeros_like(counts).index_put((cell, gene), values.to(counts.dtype))
