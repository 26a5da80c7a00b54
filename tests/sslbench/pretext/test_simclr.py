import numpy as np
import pytest
import torch

from sslbench.encoders.base import build_encoder
from sslbench.pretext._nt_xent import nt_xent
from sslbench.pretext.base import build_pretext
from sslbench.seeding import global_stream
from tests.factories import synthetic_cells


def built(**options):
    cells = synthetic_cells()
    with global_stream(0, "init"):
        encoder = build_encoder("mlp", {"width": 16, "dropout": 0.0}, n_genes=cells.n_genes)
        return build_pretext("simclr", options, encoder=encoder, genes=cells.genes, label_names=())


def some_minibatch(n_cells=64):
    return synthetic_cells().minibatch(np.arange(n_cells))


def generator():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_the_loss_compares_the_projections_of_two_views(temperature):
    pretext, minibatch = built(temperature=temperature), some_minibatch()
    first, second, logs = pretext.views.two(minibatch, generator())
    z, other = (pretext.projector(pretext.encoder(view)) for view in (first, second))
    loss = pretext.loss(minibatch, generator())
    torch.testing.assert_close(loss.value, nt_xent(z, other, temperature=temperature))
    assert loss.logs == logs


def test_views_without_any_change_are_found_better_than_strong_ones():
    values = []
    for strength in (0.0, 0.5, 0.9):
        pretext = built(gene_dropout=strength)
        values.append(pretext.loss(some_minibatch(), generator()).value.item())
    assert values == sorted(values)


def test_two_cells_are_enough():
    assert built().loss(some_minibatch(2), generator()).value.isfinite()
