"""Hide whole gene programmes, drawn at random, until an exact number of genes is hidden."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from sslbench.config import ComponentOptions
from sslbench.pretext.masks.base import Mask, Needs
from sslbench.registry import MASKS

NEEDS: Needs = "gene"


class Options(ComponentOptions):
    """The rate counts genes, not programmes."""

    rate: float = Field(0.5, gt=0, lt=1, description="fraction of genes hidden, exact to one gene")
    per: Literal["cell", "minibatch"] = Field(
        "cell", description="draw programmes for each cell, or once for all cells of a minibatch"
    )


@MASKS.register
def gene_programme_mask(
    x: Tensor,
    *,
    options: Options,
    programmes: Tensor,
    tf_genes: Tensor | None,  # noqa: ARG001 (the contract of every mask)
    generator: torch.Generator,
) -> Mask:
    """Hide programmes in random order until `rate` x n_genes genes are hidden; score exactly these.

    The last programme is trimmed at random to the exact count, which is at least one gene and at most
    all but one. A gene in no programme counts as a programme of one gene. The idea is the gene
    programme mask of Richter et al. 2024, doi 10.1038/s42256-024-00934-3, whose rate counts programmes
    and whose draw is one per minibatch.
    """
    n_cells, n_genes = x.shape
    n_draws = n_cells if options.per == "cell" else 1
    n_hidden = min(max(round(options.rate * n_genes), 1), n_genes - 1)
    order = _hiding_order(programmes, n_draws=n_draws, generator=generator)
    first = order.topk(n_hidden, dim=1, largest=False, sorted=False).indices
    hidden = torch.zeros_like(order, dtype=torch.bool).scatter_(1, first, True)
    hidden = hidden.expand(n_cells, n_genes)
    return Mask(hidden=hidden, scored=hidden)


def _hiding_order(programmes: Tensor, *, n_draws: int, generator: torch.Generator) -> Tensor:
    """Return numbers (n_draws, n_genes) whose ascending order is the order in which genes are hidden.

    Every programme, those of one gene included, draws a whole number: their ascending order is the
    random order of the programmes. A gene is hidden with the first of its programmes, so it carries
    the smallest of their numbers; a fraction of its own orders the genes that one programme adds.
    2**30 whole numbers and 23 bits of fraction just fit float64.
    """
    n_programmes, n_genes = programmes.shape
    device = programmes.device
    drawn = torch.randint(
        2**30, (n_draws, n_programmes + n_genes), generator=generator, device=device
    )
    of_programme, own = drawn[:, :n_programmes], drawn[:, n_programmes:]
    programme, gene = programmes.nonzero(as_tuple=True)  # (n_memberships,) each
    earliest = own.masked_fill(programmes.any(dim=0), 2**30)
    earliest = earliest.scatter_reduce(
        1, gene.expand(n_draws, -1), of_programme[:, programme], "amin"
    )  # (n_draws, n_genes)
    return earliest + torch.rand(
        n_draws, n_genes, dtype=torch.float64, generator=generator, device=device
    )
