import pytest
import torch
from scipy.stats import binom

from sslbench.pretext.masks.random import Options, random_mask


def draw(rate, *, shape=(200, 300), seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.zeros(shape)
    return random_mask(
        x, options=Options(rate=rate), programmes=None, tf_genes=None, generator=generator
    )


@pytest.mark.parametrize("rate", [0.05, 0.25, 0.5, 0.95])
def test_realised_rate_lies_in_its_binomial_interval(rate):
    hidden = draw(rate).hidden
    low, high = binom.interval(0.999, hidden.numel(), rate)
    assert low <= hidden.sum().item() <= high


def test_genes_of_a_cell_are_hidden_independently():
    """The number hidden in a cell has binomial variance, which a fixed number a cell would not have."""
    per_cell = draw(0.3, shape=(4000, 100)).hidden.sum(dim=1).float()
    assert per_cell.var().item() == pytest.approx(100 * 0.3 * 0.7, rel=0.1)


def test_exactly_the_hidden_genes_are_scored():
    mask = draw(0.4)
    assert torch.equal(mask.hidden, mask.scored)
