from functools import cache
from itertools import product

import pytest
import torch
from scipy.stats import binom
from torch import nn

from sslbench.pretext.heads.base import mean_over_scored
from sslbench.pretext.masks.random import Options, of_non_zeros, random_mask
from tests.factories import packed_rows

# Two cells, four genes; three of eight entries are zeros.
TINY = torch.tensor([[2.0, 0.0, 0.7, 0.0], [1.1, 4.0, 0.0, 0.3]], dtype=torch.float64)


def draw(rate, *, shape=(200, 300), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return drawn_densely(torch.zeros(shape), rate, generator)


def drawn_densely(x, rate, generator):
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


def sparse_expression(n_cells=64, n_genes=500):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(n_cells, n_genes, generator=generator) * 3
    return x * (torch.rand(x.shape, generator=generator) < 0.1)


def test_of_non_zeros_as_many_are_hidden_as_the_rate_says_and_they_alone_are_scored_in_full():
    x = packed_rows(sparse_expression())
    mask = of_non_zeros(x, options=Options(rate=0.3), generator=torch.Generator().manual_seed(0))
    low, high = binom.interval(0.999, len(x.value), 0.3)
    assert low <= mask.hidden.sum().item() <= high
    assert torch.equal(mask.scored.listed, mask.hidden.float())
    assert mask.scored.elsewhere == 0.3
    assert mask.scored.mean().item() == pytest.approx(0.3, abs=0.01)
    assert mask.scored.mean().item() == pytest.approx(mask.scored.dense().mean().item())


def test_there_are_as_many_draws_as_non_zeros():
    x, generator, other = packed_rows(sparse_expression()), torch.Generator(), torch.Generator()
    generator.manual_seed(4)
    of_non_zeros(x, options=Options(), generator=generator)
    torch.rand(x.value.shape, generator=other.manual_seed(4))
    assert torch.equal(generator.get_state(), other.get_state())


def seen_densely(x, rate, generator=None):
    """What the dense mask leaves to see, and the weights of the loss."""
    mask = drawn_densely(x, rate, generator)
    return x.masked_fill(mask.hidden, 0.0), mask.scored.to(x.dtype)


def seen_packed(x, rate, generator=None):
    """The same by the mask of non-zeros, made dense."""
    rows = packed_rows(x)
    mask = of_non_zeros(rows, options=Options(rate=rate), generator=generator)
    return rows.only(~mask.hidden).dense(), mask.scored.dense()


def autoencoder(x, n_hidden):
    torch.manual_seed(0)
    n_genes, kind = x.shape[1], x.dtype
    return nn.Sequential(
        nn.Linear(n_genes, n_hidden, dtype=kind),
        nn.Tanh(),
        nn.Linear(n_hidden, n_genes, dtype=kind),
    )


def error_sum(losses, weights):
    return (losses * weights).sum()


def value_and_gradient(network, x, seen, reduced):
    """The value and its gradient of all weights, as one row of numbers."""
    visible, weights = seen
    value = reduced((network(visible) - x).square(), weights)
    gradients = torch.autograd.grad(value, network.parameters())
    return torch.cat([value.detach().view(1), *(g.flatten() for g in gradients)])


def moments(see, monkeypatch, *, n_draws, rate):
    """The exact mean and variance over every outcome of the draws, each with its probability."""
    network, values, probabilities = autoencoder(TINY, 3), [], []
    for outcome in product([True, False], repeat=n_draws):
        uniform = torch.where(torch.tensor(outcome), rate / 2, rate)
        with monkeypatch.context() as patched:
            patched.setattr(torch, "rand", lambda shape, u=uniform, **_: u.view(shape))
            seen = see(TINY, rate)
        values.append(value_and_gradient(network, TINY, seen, error_sum))
        probabilities.append(rate ** sum(outcome) * (1 - rate) ** (n_draws - sum(outcome)))
    assert sum(probabilities) == pytest.approx(1, abs=1e-12)
    chance, of_outcome = torch.tensor(probabilities, dtype=TINY.dtype), torch.stack(values)
    mean = chance @ of_outcome
    return mean, chance @ (of_outcome - mean).square()


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_over_all_masks_of_a_minibatch_error_and_gradient_keep_their_mean_and_lose_variance(
    rate, monkeypatch
):
    mean, variance = moments(seen_densely, monkeypatch, n_draws=8, rate=rate)
    of_packed, less = moments(seen_packed, monkeypatch, n_draws=5, rate=rate)
    torch.testing.assert_close(of_packed, mean, rtol=1e-12, atol=1e-12)
    assert (less <= variance + 1e-12).all()
    assert less[0] < variance[0]


def drawn(see, x, *, n, seed):
    """Loss and gradient, (n, 1 + n_weights), of n masks of the same minibatch, as training uses them."""
    network, generator = autoencoder(x, 8), torch.Generator().manual_seed(seed)
    return torch.stack(
        [value_and_gradient(network, x, see(x, 0.5, generator), mean_over_scored) for _ in range(n)]
    )


@cache
def of_both_masks(n=2000):
    x = sparse_expression(32, 300)
    return drawn(seen_densely, x, n=n, seed=1), drawn(seen_packed, x, n=n, seed=2)


def test_the_mean_loss_and_its_gradient_agree_within_the_error_of_two_thousand_masks():
    """As means they are ratios, whose expectations may differ: by far less than is tolerated here."""
    of_dense, of_packed = of_both_masks()
    difference = of_packed.mean(dim=0) - of_dense.mean(dim=0)
    variance = (of_packed.var(dim=0) + of_dense.var(dim=0)) / len(of_dense)
    assert difference[0].abs() < 4 * variance[0].sqrt()
    assert difference[0].abs() < 3e-3 * of_dense[:, 0].mean()
    # The squared length of the difference of equal gradients has the sum of variances as its mean.
    length = difference[1:].square().sum()
    assert length < 1.5 * variance[1:].sum()
    assert length < 0.05**2 * of_dense[:, 1:].mean(dim=0).square().sum()


def test_without_draws_for_zeros_the_gradient_has_less_variance_and_the_loss_no_more():
    """The variance of the loss is known to 3 % on either side; that of the gradient is a sum of thousands."""
    of_dense, of_packed = (of.var(dim=0) for of in of_both_masks())
    assert of_packed[0] < 1.1 * of_dense[0]
    assert of_packed[1:].sum() < 0.97 * of_dense[1:].sum()
