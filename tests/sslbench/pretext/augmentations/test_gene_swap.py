from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from sslbench.pretext.augmentations.gene_swap import GeneSwap, Options
from tests.factories import synthetic_cells


def sources(*, strength, n_cells=50, n_genes=40, seed=0):
    """For each gene of each cell, the gene whose value it has in the view."""
    minibatch = synthetic_cells(n_cells=4).minibatch(np.arange(4))
    x = torch.arange(n_genes).float().expand(n_cells, n_genes)
    generator = torch.Generator().manual_seed(seed)
    return GeneSwap(Options())(
        replace(minibatch, view=x), strength=strength, generator=generator
    ).long()


@pytest.mark.parametrize("strength", [0.1, 0.5, 1.0])
def test_each_cell_keeps_its_values(strength):
    minibatch = synthetic_cells().minibatch(np.arange(100))
    generator = torch.Generator().manual_seed(0)
    x = GeneSwap(Options())(minibatch, strength=strength, generator=generator)
    assert torch.equal(x.sort(dim=1).values, minibatch.x.sort(dim=1).values)
    assert not torch.equal(x, minibatch.x)


@pytest.mark.parametrize(
    "strength, n_genes, n_moved",
    [(0.1, 40, 4), (0.5, 40, 20), (0.58, 100, 58), (0.07, 40, 2), (0.01, 40, 0), (1.0, 7, 6)],
)
def test_the_number_of_genes_that_move_is_exact_to_one_pair(strength, n_genes, n_moved):
    moved = sources(strength=strength, n_genes=n_genes) != torch.arange(n_genes)
    assert moved.sum(dim=1).tolist() == [n_moved] * 50


@pytest.mark.parametrize("strength", [0.1, 0.7, 1.0])
def test_genes_move_in_disjoint_pairs(strength):
    source = sources(strength=strength)
    assert torch.equal(source.gather(1, source), torch.arange(40).expand(50, 40))


def test_every_pair_is_equally_likely():
    """One pair of 6 genes: 15 possible ones."""
    source = sources(strength=0.3, n_cells=6000, n_genes=6)
    moved = (source != torch.arange(6)).nonzero()[:, 1].reshape(-1, 2).tolist()
    count = Counter(map(tuple, moved))
    assert chisquare([count[pair] for pair in combinations(range(6), 2)]).pvalue > 1e-4


def test_every_way_to_pair_all_genes_is_equally_likely():
    """4 genes can be paired in 3 ways."""
    with_first = sources(strength=1.0, n_cells=3000, n_genes=4)[:, 0]
    assert chisquare(torch.bincount(with_first, minlength=4)[1:].numpy()).pvalue > 1e-4
