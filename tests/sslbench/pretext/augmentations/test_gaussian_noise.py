from dataclasses import replace

import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.stats import binom, kstest

from sslbench.data.cells import CountsMatrix
from sslbench.pretext.augmentations.gaussian_noise import (
    GaussianNoise,
    Options,
    standard_deviation,
)
from tests.factories import synthetic_cells


def prepared(cells):
    augmentation = GaussianNoise(Options())
    augmentation.prepare(cells)
    return augmentation


def everyone(cells, x):
    """All cells as one minibatch with expression x."""
    return replace(cells.minibatch(np.arange(len(cells))), view=x)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_scale_is_the_standard_deviation_of_each_gene_over_training_cells():
    cells = synthetic_cells()
    train = replace(cells, row_ids=cells.row_ids[::3])
    x = train.minibatch(np.arange(80)).x.double().numpy()
    np.testing.assert_allclose(prepared(train).scale.numpy(), x.std(axis=0), rtol=1e-5)


def test_blocks_of_any_size_give_the_standard_deviation_of_all_rows():
    x = torch.randn(100, 7, generator=generator(), dtype=torch.float64) * 3 + 1000
    expected = x.numpy().std(axis=0)
    np.testing.assert_allclose(standard_deviation([x[:1], x[1:60], x[60:]]), expected, rtol=1e-9)


def test_the_standard_deviation_of_a_constant_gene_is_exactly_zero():
    x = torch.full((50, 2), 0.1).cumsum(dim=1)
    x[7, 1] += 1
    scale = standard_deviation(x.split(9))
    assert scale[0] == 0
    assert scale[1] > 0


def test_a_gene_that_no_training_cell_expresses_keeps_its_value():
    cells = synthetic_cells()
    counts = cells.dense_counts()
    counts[:, 4] = 0
    silent = replace(cells, counts=CountsMatrix.from_scipy(csr_matrix(counts)))
    x = torch.rand(240, 60, generator=generator()) + 1
    drawn = prepared(silent)(everyone(cells, x), strength=10.0, generator=generator())
    assert torch.equal(drawn[:, 4], x[:, 4])
    assert (drawn != x).any(dim=0).sum() == 59


def test_the_noise_is_normal_with_the_scale_of_each_gene_times_the_strength():
    cells = synthetic_cells(n_cells=600)
    augmentation = prepared(cells)
    far_from_zero = torch.full((600, 60), 50.0)
    drawn = augmentation(everyone(cells, far_from_zero), strength=0.7, generator=generator())
    noise = ((drawn - 50).double() / (0.7 * augmentation.scale)).numpy()
    # A standard deviation of n normal values has itself one of 1 / sqrt(2 n): 5 of them.
    np.testing.assert_allclose(noise.std(axis=0), 1, atol=5 / np.sqrt(2 * 600))
    assert kstest(noise.ravel(), "norm").pvalue > 1e-4


def test_the_noise_of_two_genes_of_a_cell_is_independent():
    cells = synthetic_cells(n_cells=2000)
    drawn = prepared(cells)(
        everyone(cells, torch.full((2000, 60), 50.0)), strength=0.5, generator=generator()
    )
    r = np.corrcoef(drawn[:, :20].double().numpy().T)[np.triu_indices(20, 1)]
    assert np.abs(r).max() < 5 / np.sqrt(2000)


def test_a_negative_result_is_clamped_to_zero():
    """From 0, half of the draws go below."""
    cells = synthetic_cells()
    drawn = prepared(cells)(
        everyone(cells, torch.zeros(240, 60)), strength=3.0, generator=generator()
    )
    low, high = binom.interval(0.999, drawn.numel(), 0.5)
    assert low <= (drawn == 0).sum().item() <= high
    assert drawn.min() == 0
