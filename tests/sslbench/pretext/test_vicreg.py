import itertools
import math

import numpy as np
import pytest
import torch

from sslbench.encoders.base import build_encoder
from sslbench.pretext.base import build_pretext
from sslbench.pretext.vicreg import covariance_loss, variance_loss, vicreg_terms
from sslbench.seeding import global_stream
from tests.factories import synthetic_cells

N_CELLS, N_DIMENSIONS, EPSILON = 30, 5, 1e-4


def built(**options):
    cells = synthetic_cells()
    with global_stream(0, "init"):
        encoder = build_encoder("mlp", {"width": 16, "dropout": 0.0}, n_genes=cells.n_genes)
        return build_pretext("vicreg", options, encoder=encoder, genes=cells.genes, label_names=())


def two_views(seed=0, scale=0.8):
    generator = torch.Generator().manual_seed(seed)
    z, noise = torch.randn(2, N_CELLS, N_DIMENSIONS, generator=generator, dtype=torch.float64)
    mixed = z @ torch.randn(N_DIMENSIONS, N_DIMENSIONS, generator=generator, dtype=torch.float64)
    return scale * (mixed + 2), scale * (mixed + noise)


def independent_dimensions(deviation):
    """Columns of that standard deviation that do not vary together."""
    generator = torch.Generator().manual_seed(4)
    z = torch.randn(N_CELLS, N_DIMENSIONS, generator=generator, dtype=torch.float64)
    return deviation * math.sqrt(N_CELLS - 1) * torch.linalg.qr(z - z.mean(dim=0)).Q


def slow_terms(first, second):
    """Equations 1 to 5 of the paper, entry by entry; the distance also divided by the dimensions."""
    cells, dimensions = range(N_CELLS), range(N_DIMENSIONS)

    def covariance(z, i, j):
        mean_i, mean_j = (sum(z[c][k] for c in cells) / N_CELLS for k in (i, j))
        return sum((z[c][i] - mean_i) * (z[c][j] - mean_j) for c in cells) / (N_CELLS - 1)

    def hinge(z, j):
        return max(0.0, 1 - math.sqrt(covariance(z, j, j) + EPSILON))

    views = first.tolist(), second.tolist()
    distances = [(views[0][c][j] - views[1][c][j]) ** 2 for c in cells for j in dimensions]
    variance = sum(hinge(z, j) for z in views for j in dimensions) / N_DIMENSIONS
    pairs = list(itertools.permutations(dimensions, 2))
    squares = sum(covariance(z, i, j) ** 2 for z in views for i, j in pairs) / N_DIMENSIONS
    return sum(distances) / N_CELLS / N_DIMENSIONS, variance, squares


@pytest.mark.parametrize("scale", [0.1, 0.8, 5.0])
def test_the_terms_are_those_of_the_paper(scale):
    first, second = two_views(scale=scale)
    terms = [term.item() for term in vicreg_terms(first, second)]
    assert terms == pytest.approx(slow_terms(first, second), rel=1e-9)


def test_the_terms_are_those_of_the_covariance_matrix_of_numpy():
    for view in two_views(scale=0.3):
        covariance = np.cov(view.numpy().T)
        hinge = np.maximum(0, 1 - np.sqrt(np.diag(covariance) + EPSILON)).mean()
        off_diagonal = covariance[~np.eye(N_DIMENSIONS, dtype=bool)]
        assert variance_loss(view).item() == pytest.approx(hinge)
        assert covariance_loss(view).item() == pytest.approx((off_diagonal**2).sum() / N_DIMENSIONS)


def test_identical_views_that_vary_enough_and_independently_give_zero():
    z = independent_dimensions(1.0)
    assert [t.item() for t in vicreg_terms(z, z)] == pytest.approx([0, 0, 0], abs=1e-12)


def test_views_a_constant_apart_cost_its_square_and_nothing_else():
    z = independent_dimensions(1.5)
    assert [t.item() for t in vicreg_terms(z, z + 3)] == pytest.approx([9, 0, 0], abs=1e-12)


def test_a_collapsed_projection_costs_variance_alone():
    z = torch.full((N_CELLS, N_DIMENSIONS), 7.0, dtype=torch.float64)
    terms = [t.item() for t in vicreg_terms(z, z)]
    assert terms == pytest.approx([0, 2 * (1 - math.sqrt(EPSILON)), 0])


def test_too_little_variance_costs_what_is_missing():
    missing = 1 - math.sqrt(0.25 + EPSILON)
    assert variance_loss(independent_dimensions(0.5)).item() == pytest.approx(missing)
    assert variance_loss(independent_dimensions(2.0)).item() == 0


def test_copies_of_one_dimension_cost_the_fourth_power_of_its_deviation():
    z = independent_dimensions(2.0)[:, :1].expand(-1, N_DIMENSIONS)
    assert covariance_loss(z).item() == pytest.approx((N_DIMENSIONS - 1) * 2.0**4)


def test_they_are_symmetric_and_know_no_order():
    first, second = two_views()
    terms = [term.item() for term in vicreg_terms(first, second)]
    assert [term.item() for term in vicreg_terms(second, first)] == pytest.approx(terms)
    cells, dimensions = torch.randperm(N_CELLS), torch.randperm(N_DIMENSIONS)
    shuffled = vicreg_terms(first[cells][:, dimensions], second[cells][:, dimensions])
    assert [term.item() for term in shuffled] == pytest.approx(terms)


def test_the_gradient_of_a_constant_dimension_is_finite():
    z = torch.zeros(N_CELLS, N_DIMENSIONS, requires_grad=True)
    sum(vicreg_terms(z, z)).backward()
    assert z.grad.isfinite().all()


@pytest.mark.parametrize("weights", [(25.0, 25.0, 1.0), (1.0, 0.0, 0.0), (0.0, 2.0, 3.0)])
def test_the_loss_is_the_sum_of_its_curves_by_their_weights(weights):
    names = ("invariance", "variance", "covariance")
    pretext = built(**{f"{name}_weight": weight for name, weight in zip(names, weights)})
    minibatch = synthetic_cells().minibatch(np.arange(64))
    loss = pretext.loss(minibatch, torch.Generator().manual_seed(0))
    expected = sum(weight * loss.logs[name].item() for name, weight in zip(names, weights))
    assert loss.value.item() == pytest.approx(expected, rel=1e-6)
    assert all(loss.logs[name] > 0 for name in names)
