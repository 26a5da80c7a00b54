import numpy as np
import pytest
import torch
from torch import nn

from sslbench.encoders.base import build_encoder
from sslbench.pretext.base import build_pretext
from sslbench.pretext.simsiam import negative_cosine
from sslbench.seeding import global_stream
from tests.factories import synthetic_cells

N_CELLS, N_DIMENSIONS = 9, 4


def built(**options):
    cells = synthetic_cells()
    with global_stream(0, "init"):
        encoder = build_encoder("mlp", {"width": 16, "dropout": 0.0}, n_genes=cells.n_genes)
        return build_pretext("simsiam", options, encoder=encoder, genes=cells.genes, label_names=())


def some_minibatch():
    return synthetic_cells().minibatch(np.arange(64))


def generator():
    return torch.Generator().manual_seed(0)


def some_projections():
    return torch.randn(2, N_CELLS, N_DIMENSIONS, generator=generator(), dtype=torch.float64)


def test_it_is_equation_one_of_the_paper():
    predicted, projected = some_projections()
    cosines = [float((p / p.norm()) @ (z / z.norm())) for p, z in zip(predicted, projected)]
    value = negative_cosine(predicted, projected=projected).item()
    assert value == pytest.approx(-sum(cosines) / N_CELLS)


def test_it_is_half_the_squared_distance_of_unit_vectors_less_one():
    p, z = some_projections()
    distance = (p / p.norm(dim=1, keepdim=True) - z / z.norm(dim=1, keepdim=True)).square()
    expected = distance.sum(dim=1).mean() / 2 - 1
    torch.testing.assert_close(negative_cosine(p, projected=z), expected)


@pytest.mark.parametrize(("other", "expected"), [(0, 0.0), (1, -1.0), (-1, 1.0)])
def test_orthogonal_identical_and_opposite_projections(other, expected):
    z = torch.eye(6, dtype=torch.float64)
    projected = z.roll(1, dims=0) if other == 0 else other * z
    assert negative_cosine(5 * z, projected=projected).item() == pytest.approx(expected)


def test_no_gradient_reaches_what_is_predicted():
    predicted, projected = (z.requires_grad_() for z in some_projections())
    negative_cosine(predicted, projected=projected).backward()
    assert predicted.grad.abs().sum() > 0
    assert projected.grad is None


def test_the_gradient_of_the_task_is_that_of_two_predictions_of_constants():
    """Both orders, with every projection that is predicted worked out beforehand."""
    pretext, minibatch = built(), some_minibatch()
    first, second, _ = pretext.views.two(minibatch, generator())
    network = nn.Sequential(pretext.encoder, pretext.projector)
    with torch.no_grad():
        constant, other_constant = network(first), network(second)
    predicted, other = pretext.predictor(network(first)), pretext.predictor(network(second))
    value = negative_cosine(predicted, projected=other_constant) / 2
    value = value + negative_cosine(other, projected=constant) / 2
    value.backward()
    expected = {name: p.grad.clone() for name, p in pretext.named_parameters()}
    pretext.zero_grad()
    loss = pretext.loss(minibatch, generator())
    loss.value.backward()
    torch.testing.assert_close(loss.value, value)
    for name, p in pretext.named_parameters():
        torch.testing.assert_close(p.grad, expected[name])


def test_the_projection_is_normalised_over_cells():
    pretext = built()
    z = pretext.projector(pretext.encoder(some_minibatch().x))
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(128), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.var(dim=0, correction=0), torch.ones(128), atol=1e-2, rtol=0)


def test_the_predictor_can_be_left_out():
    pretext = built(predictor_depth=0, gene_dropout=0.0)
    assert list(pretext.predictor.parameters()) == []
    # identical views, and nothing that makes the prediction differ from the projection
    assert pretext.loss(some_minibatch(), generator()).value.item() == pytest.approx(-1, abs=1e-6)
