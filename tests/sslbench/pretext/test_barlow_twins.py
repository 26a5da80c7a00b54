import itertools
import math

import numpy as np
import pytest
import torch

from sslbench.config import TrainingOptions
from sslbench.data.minibatch_order import MinibatchOrder
from sslbench.encoders.base import build_encoder
from sslbench.pretext.barlow_twins import barlow_twins_loss
from sslbench.pretext.base import build_pretext
from sslbench.seeding import global_stream, numpy_generator, torch_generator
from sslbench.training import fit
from tests.factories import synthetic_cells

N_CELLS, N_DIMENSIONS, WEIGHT = 40, 6, 0.3


def built(**options):
    cells = synthetic_cells()
    with global_stream(0, "init"):
        encoder = build_encoder("mlp", {"width": 16, "dropout": 0.0}, n_genes=cells.n_genes)
        return build_pretext(
            "barlow_twins", options, encoder=encoder, genes=cells.genes, label_names=()
        )


def two_views(seed=0):
    """Large values, so that the constant under the root is lost in rounding."""
    generator = torch.Generator().manual_seed(seed)
    first, noise = torch.randn(2, N_CELLS, N_DIMENSIONS, generator=generator, dtype=torch.float64)
    return 1e6 * (first + 3), 1e6 * (first + noise)


def independent_dimensions(n_dimensions):
    """Columns that are centred, of equal length and orthogonal."""
    generator = torch.Generator().manual_seed(4)
    z = torch.randn(N_CELLS, n_dimensions, generator=generator, dtype=torch.float64)
    return 1e6 * torch.linalg.qr(z - z.mean(dim=0)).Q


def loss(first, second, weight=WEIGHT):
    return barlow_twins_loss(first, second, off_diagonal_weight=weight).item()


def slow_loss(first, second):
    """Equations 1 and 2 of the paper, with z centred over the minibatch."""
    a, b = (first - first.mean(dim=0)).tolist(), (second - second.mean(dim=0)).tolist()

    def correlation(i, j):
        product = sum(a[c][i] * b[c][j] for c in range(N_CELLS))
        lengths = (sum(z[c][k] ** 2 for c in range(N_CELLS)) for z, k in ((a, i), (b, j)))
        return product / math.prod(math.sqrt(length) for length in lengths)

    total = sum((1 - correlation(i, i)) ** 2 for i in range(N_DIMENSIONS))
    pairs = itertools.permutations(range(N_DIMENSIONS), 2)
    return total + WEIGHT * sum(correlation(i, j) ** 2 for i, j in pairs)


def test_it_is_equations_one_and_two_of_the_paper():
    assert loss(*two_views()) == pytest.approx(slow_loss(*two_views()), rel=1e-9)


def test_it_is_the_distance_of_the_correlation_matrix_of_numpy_from_the_identity():
    first, second = (view.numpy() for view in two_views())
    across = np.corrcoef(first.T, second.T)[:N_DIMENSIONS, N_DIMENSIONS:]
    weights = np.where(np.eye(N_DIMENSIONS) == 1, 1, WEIGHT)
    expected = (weights * (across - np.eye(N_DIMENSIONS)) ** 2).sum()
    assert loss(*two_views()) == pytest.approx(expected, rel=1e-9)


def test_identical_views_with_independent_dimensions_give_zero():
    z = independent_dimensions(5)
    assert loss(z, z) == pytest.approx(0, abs=1e-9)


def test_views_that_have_nothing_in_common_cost_one_a_dimension():
    z = independent_dimensions(10)
    assert loss(z[:, :5], z[:, 5:]) == pytest.approx(5)


def test_opposite_views_cost_four_a_dimension():
    z = independent_dimensions(5)
    assert loss(z, -z) == pytest.approx(4 * 5)


def test_copies_of_one_dimension_cost_the_weight_of_every_pair():
    z = independent_dimensions(1).expand(-1, 5)
    assert loss(z, z) == pytest.approx(WEIGHT * 5 * 4)
    assert loss(z, z, weight=0.0) == pytest.approx(0, abs=1e-9)


def test_a_constant_dimension_counts_as_uncorrelated_and_its_gradient_is_finite():
    z = torch.cat([independent_dimensions(4), torch.ones(N_CELLS, 1)], dim=1).requires_grad_()
    value = barlow_twins_loss(z, z.detach(), off_diagonal_weight=WEIGHT)
    value.backward()
    assert value.item() == pytest.approx(1)
    assert z.grad.isfinite().all()


def test_it_is_symmetric_and_knows_no_order_no_scale_and_no_shift():
    first, second = two_views()
    value = pytest.approx(loss(first, second), rel=1e-9)
    assert loss(second, first) == value
    cells, dimensions = torch.randperm(N_CELLS), torch.randperm(N_DIMENSIONS)
    assert loss(first[cells], second[cells]) == value
    assert loss(first[:, dimensions], second[:, dimensions]) == value
    scale = torch.arange(1.0, N_DIMENSIONS + 1)
    assert loss(first * scale + 7, second / scale - 7) == value


def test_the_weight_of_the_options_reaches_the_loss():
    minibatch = synthetic_cells().minibatch(np.arange(64))
    values = []
    for weight in (0.0, 1.0, 2.0):
        pretext = built(off_diagonal_weight=weight)
        values.append(pretext.loss(minibatch, torch.Generator().manual_seed(0)).value.item())
    assert values[2] - values[1] == pytest.approx(values[1] - values[0], rel=1e-4)
    assert values[1] - values[0] > 1


# Batch normalisation behind the embedding layer takes any shift away: its bias has no gradient but
# rounding, which Adam makes steps of.
WITHOUT_GRADIENT = {"network.2.bias"}


def weights_after_fit(n_updates):
    pretext, training = built(), TrainingOptions(max_updates=n_updates, minibatch_size=64)
    fit(pretext, synthetic_cells(), training, seed=0, device="cpu", on_report=lambda n, m: True)
    return dict(pretext.encoder.named_parameters())


def weights_by_hand(n_updates, *, rebuilt_every_step):
    """AdamW as in Loshchilov & Hutter 2017, arXiv 1711.05101, with clipping; moments kept or thrown away."""
    pretext, options, cells = built(), TrainingOptions(minibatch_size=64), synthetic_cells()
    draws = torch_generator(0, "masks")
    order = MinibatchOrder(len(cells), 64, generator=numpy_generator(0, "order"))
    weights = [p for p in pretext.parameters() if p.requires_grad]
    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in weights]
    for update in range(1, n_updates + 1):
        value = pretext.loss(cells.without_labels().minibatch(next(order)), draws).value
        gradients = torch.autograd.grad(value, weights)
        norm = torch.cat([g.flatten() for g in gradients]).norm()
        step = 1 if rebuilt_every_step else update
        with torch.no_grad():
            for p, g, (m, v) in zip(weights, gradients, moments):
                if rebuilt_every_step:
                    m.zero_()
                    v.zero_()
                g = g * (options.gradient_clip / norm).clamp(max=1)
                m.copy_(0.9 * m + 0.1 * g)
                v.copy_(0.999 * v + 0.001 * g**2)
                direction = (m / (1 - 0.9**step)) / ((v / (1 - 0.999**step)).sqrt() + 1e-8)
                p.mul_(1 - options.learning_rate * options.weight_decay)
                p.sub_(options.learning_rate * direction)
    return dict(pretext.encoder.named_parameters())


def largest_difference(some, others):
    assert some.keys() == others.keys()
    compared = some.keys() - WITHOUT_GRADIENT
    return max((some[key] - others[key]).abs().max().item() for key in compared)


def test_the_state_of_the_optimiser_survives_its_steps():
    """Over eight updates of 1e-3 each; the published code rebuilt its optimiser at every step."""
    trained = weights_after_fit(8)
    assert largest_difference(trained, weights_by_hand(8, rebuilt_every_step=False)) < 4e-4
    assert largest_difference(trained, weights_by_hand(8, rebuilt_every_step=True)) > 4e-3
