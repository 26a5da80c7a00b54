from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import binom, chisquare

from sslbench.pretext.augmentations.crossover import Crossover, Options, partners
from tests.factories import synthetic_cells


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn_partners(n_cells, seed=0):
    return partners(n_cells, generator=generator(seed), device=torch.device("cpu"))


def origins(*, strength, n_cells=300, n_genes=400):
    """For each gene of each cell, the cell whose value it has in the view."""
    minibatch = synthetic_cells(n_cells=4).minibatch(np.arange(4))
    x = torch.arange(n_cells).float().unsqueeze(1).expand(n_cells, n_genes)
    cells = replace(minibatch, view=x)
    return Crossover(Options())(cells, strength=strength, generator=generator()).long()


@pytest.mark.parametrize("n_cells", [2, 3, 100])
def test_a_partner_is_another_cell_of_the_minibatch(n_cells):
    for seed in range(50):
        partner = drawn_partners(n_cells, seed)
        assert (partner != torch.arange(n_cells)).all()
        assert ((partner >= 0) & (partner < n_cells)).all()


def test_every_other_cell_is_an_equally_likely_partner():
    drawn = torch.stack([drawn_partners(5, seed) for seed in range(3000)])
    for cell in range(5):
        count = torch.bincount(drawn[:, cell], minlength=5).numpy()
        assert count[cell] == 0
        assert chisquare(np.delete(count, cell)).pvalue > 1e-4


def test_partners_of_two_cells_are_drawn_independently():
    """Of three cells, the first two have two choices each: four equally likely outcomes."""
    drawn = torch.stack([drawn_partners(3, seed) for seed in range(3000)])
    outcome = 2 * (drawn[:, 0] == 2) + (drawn[:, 1] == 2)
    assert chisquare(torch.bincount(outcome, minlength=4).numpy()).pvalue > 1e-4


@pytest.mark.parametrize("strength", [0.05, 0.25, 0.9])
def test_the_share_of_genes_taken_lies_in_its_binomial_interval(strength):
    taken = origins(strength=strength) != torch.arange(300).unsqueeze(1)
    low, high = binom.interval(0.999, taken.numel(), strength)
    assert low <= taken.sum().item() <= high


def test_genes_are_taken_independently():
    """The number taken in a cell has binomial variance, which a fixed number a cell would not have."""
    taken = origins(strength=0.3, n_cells=3000, n_genes=100) != torch.arange(3000).unsqueeze(1)
    assert taken.sum(dim=1).float().var().item() == pytest.approx(100 * 0.3 * 0.7, rel=0.1)


def test_all_genes_taken_come_from_one_cell():
    for cell, row in enumerate(origins(strength=0.5).tolist()):
        assert len(set(row) - {cell}) == 1


def test_strength_one_gives_the_partner():
    origin = origins(strength=1.0)
    assert (origin == origin[:, :1]).all()
    assert (origin[:, 0] != torch.arange(300)).all()


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_a_cell_alone_stays_as_it_is(strength):
    minibatch = synthetic_cells().minibatch(np.array([3]))
    x = Crossover(Options())(minibatch, strength=strength, generator=generator())
    assert torch.equal(x, minibatch.x)
