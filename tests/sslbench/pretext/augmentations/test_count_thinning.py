from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import binom, chisquare

from sslbench.pretext.augmentations.count_thinning import CountThinning, Options, thinned
from tests.factories import synthetic_cells


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def some_counts():
    return synthetic_cells().minibatch(np.arange(240)).counts


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.95])
def test_thinned_counts_are_whole_numbers_and_none_is_above_its_count(keep):
    counts = some_counts()
    kept = thinned(counts, keep=keep, generator=generator())
    assert torch.equal(kept, kept.round())
    assert (kept >= 0).all()
    assert (kept <= counts).all()


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.95])
def test_the_number_of_molecules_kept_lies_in_its_binomial_interval(keep):
    counts = some_counts()
    low, high = binom.interval(0.999, int(counts.sum()), keep)
    assert low <= thinned(counts, keep=keep, generator=generator()).sum().item() <= high


@pytest.mark.parametrize("count", [1, 6, 40])
def test_a_count_becomes_as_large_as_often_as_a_binomial_one(count):
    n, keep = 50_000, 0.3
    kept = thinned(torch.full((n, 1), float(count)), keep=keep, generator=generator())
    expected = binom.pmf(np.arange(count + 1), count, keep) * n
    observed = np.bincount(kept.long().numpy().ravel(), minlength=count + 1)
    common = expected > 10
    rest = [side[~common].sum() for side in (observed, expected)]
    pair = [np.append(side[common], r) for side, r in zip((observed, expected), rest)]
    pair = [side[pair[1] > 0] for side in pair]
    assert chisquare(*pair).pvalue > 1e-4


def test_the_mean_over_many_views_is_the_kept_share_of_each_count():
    """n draws of a count c have variance c p (1 - p): 5 standard errors."""
    counts, n, keep = some_counts()[:20], 400, 0.7
    drawn = generator()
    mean = sum(thinned(counts, keep=keep, generator=drawn) for _ in range(n)) / n
    error = (counts * keep * (1 - keep) / n).sqrt()
    assert ((mean - keep * counts).abs() <= 5 * error).all()


def test_keeping_all_or_nothing_is_exact():
    counts = some_counts()
    assert torch.equal(thinned(counts, keep=1.0, generator=generator()), counts)
    assert not thinned(counts, keep=0.0, generator=generator()).any()


def test_a_view_is_scaled_to_ten_thousand_a_cell_again():
    minibatch = synthetic_cells().minibatch(np.arange(240))
    x = CountThinning(Options())(minibatch, strength=0.6, generator=generator())
    total = torch.expm1(x.double()).sum(dim=1)
    torch.testing.assert_close(total, torch.full((240,), 1e4).double(), rtol=1e-4, atol=0)


def test_a_view_loses_the_declared_share_of_molecules():
    """A cell's smallest step of expm1(x) is one molecule: the view's depth can be read from it."""
    counts = torch.ones(400, 60)
    minibatch = synthetic_cells(n_cells=400).minibatch(np.arange(400))
    minibatch = replace(minibatch, raw=counts, library_size=counts.sum(dim=1))
    x = CountThinning(Options())(minibatch, strength=0.2, generator=generator())
    low, high = binom.interval(0.999, counts.numel(), 0.8)
    assert low <= (x > 0).sum().item() <= high


def test_a_view_is_made_of_counts_alone():
    minibatch = synthetic_cells().minibatch(np.arange(9))
    other = replace(minibatch, view=torch.rand(9, 60))
    first, second = (
        CountThinning(Options())(cells, strength=0.4, generator=generator())
        for cells in (minibatch, other)
    )
    assert torch.equal(first, second)
