"""The default view: each gene of each cell is set to 0 by itself, at the rate that was asked for."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sslbench.pretext.augmentations.base import build_augmentation
from tests.factories import synthetic_cells

N_CELLS = 240


def dropped(strength, *, seed=0):
    """Which genes were set to 0, (n_cells, n_genes), where all of them were expressed."""
    cells = synthetic_cells(n_cells=N_CELLS).minibatch(np.arange(N_CELLS))
    cells = replace(cells, view=torch.ones_like(cells.x))
    view = build_augmentation("gene_dropout", {})(
        cells, strength=strength, generator=torch.Generator().manual_seed(seed)
    )
    assert set(view.unique().tolist()) <= {0.0, 1.0}
    return (view == 0).double()


@pytest.mark.parametrize("strength", [0.05, 0.1, 0.5, 0.9])
def test_realised_rate_lies_in_its_binomial_interval(strength):
    drawn = dropped(strength)
    deviation = np.sqrt(strength * (1 - strength) / drawn.numel())
    assert abs(drawn.mean().item() - strength) < 4 * deviation


def test_strength_one_drops_every_gene_and_strength_zero_none():
    assert dropped(1.0).all()
    assert not dropped(0.0).any()


def test_cells_and_genes_are_dropped_independently():
    """The number dropped of each cell, and of each gene, varies as a binomial does."""
    drawn = dropped(0.3)
    for counts, n in ((drawn.sum(dim=1), drawn.shape[1]), (drawn.sum(dim=0), N_CELLS)):
        assert counts.var().item() == pytest.approx(n * 0.3 * 0.7, rel=0.4)
