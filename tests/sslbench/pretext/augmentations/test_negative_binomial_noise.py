"""The closed form against its formula and against the plain sampler: the distribution has no mean."""

import numpy as np
import pytest
import torch
from scipy.stats import binom, chi2

from sslbench.pretext.augmentations.negative_binomial_noise import (
    NegativeBinomialNoise,
    Options,
    noise_counts,
)
from tests.factories import synthetic_cells

N = 1_000_000


def drawn(seed=0, n=N):
    generator = torch.Generator().manual_seed(seed)
    return noise_counts(torch.empty(n // 100, 100), generator).numpy().ravel()


def drawn_plainly(seed=0, n=N):
    """The procedure of the paper: a success rate for every entry, then a negative-binomial draw."""
    rng = np.random.default_rng(seed)
    return rng.negative_binomial(10, 1 - rng.random(n))


@pytest.mark.parametrize("k", [0, 1, 2, 10, 100, 1_000, 10_000])
def test_the_chance_of_k_or_more_is_ten_over_k_plus_ten(k):
    low, high = binom.interval(0.9999, N, 10 / (k + 10))
    assert low <= (drawn() >= k).sum() <= high


def test_counts_are_as_frequent_as_those_of_the_plain_sampler():
    """Two samples of equal size, in 60 bins of about equal chance: differences have variance a + b."""
    edges = np.unique(np.round(10 / np.linspace(1, 1 / 60, 60)) - 10)
    a, b = (
        np.histogram(x, np.append(edges, np.inf))[0].astype(float)
        for x in (drawn(), drawn_plainly())
    )
    assert min(a.min(), b.min()) > 1_000
    statistic = ((a - b) ** 2 / (a + b)).sum()
    assert statistic < chi2.ppf(0.9999, len(a) - 1)


def test_quantiles_are_those_of_the_plain_sampler():
    """At the quantile q of n draws, the density 10 / (k + 10)^2 turns its error in q into one in k."""
    for q in (0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999):
        k, plain = np.quantile(drawn(), q), np.quantile(drawn_plainly(), q)
        error = np.sqrt(2 * q * (1 - q) / N) * (k + 10) ** 2 / 10
        assert abs(k - plain) <= 1 + 4 * error


def test_counts_are_whole_numbers_not_negative():
    counts = drawn(n=10_000)
    assert (counts == np.floor(counts)).all()
    assert counts.min() >= 0


def test_a_uniform_draw_of_zero_gives_no_infinite_count(monkeypatch):
    for lowest in (0.0, 1 - 2**-24):
        monkeypatch.setattr(
            torch, "rand", lambda shape, lowest=lowest, **_: torch.full(shape, lowest)
        )
        counts = noise_counts(torch.empty(2, 3), torch.Generator())
        assert counts.isfinite().all()
        assert (counts >= 0).all()


def views(strength):
    minibatch = synthetic_cells().minibatch(np.arange(50))
    generator = torch.Generator().manual_seed(0)
    augmentation = NegativeBinomialNoise(Options())
    return minibatch.x, augmentation(minibatch, strength=strength, generator=generator)


def test_the_noise_is_normalised_like_expression():
    x, view = views(strength=1.0)
    total = torch.expm1((view - x).double()).sum(dim=1)
    torch.testing.assert_close(total, torch.full((50,), 1e4).double(), rtol=1e-4, atol=0)


def test_the_noise_is_proportional_to_the_strength():
    x, whole = views(strength=1.0)
    torch.testing.assert_close(views(strength=0.2)[1] - x, 0.2 * (whole - x), rtol=0, atol=1e-5)
