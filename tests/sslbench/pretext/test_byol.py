import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from sslbench.config import TrainingOptions
from sslbench.encoders.base import build_encoder
from sslbench.pretext.base import build_pretext
from sslbench.pretext.byol import byol_loss
from sslbench.seeding import global_stream
from sslbench.training import fit
from tests.factories import synthetic_cells

N_CELLS, N_DIMENSIONS = 9, 4
# Batch normalisation behind the embedding layer takes any shift away, so its bias has no gradient but
# rounding; there is none where projector and predictor have no hidden layers.
SHIFT = "network.2.bias"


def built(seed=0, **options):
    cells = synthetic_cells()
    with global_stream(seed, "init"):
        encoder = build_encoder(
            "mlp", {"width": 16, "embedding_dim": 8, "dropout": 0.0}, n_genes=cells.n_genes
        )
        return build_pretext("byol", options, encoder=encoder, genes=cells.genes, label_names=())


def some_minibatch():
    return synthetic_cells().minibatch(np.arange(64))


def generator():
    return torch.Generator().manual_seed(0)


def some_projections():
    return torch.randn(2, N_CELLS, N_DIMENSIONS, generator=generator(), dtype=torch.float64)


def test_it_is_two_minus_two_cosines():
    predicted, target = some_projections()
    cosines = [
        float(p @ z) / math.sqrt(p @ p) / math.sqrt(z @ z) for p, z in zip(predicted, target)
    ]
    expected = sum(2 - 2 * cosine for cosine in cosines) / N_CELLS
    assert byol_loss(predicted, target=target).item() == pytest.approx(expected)


def test_it_is_the_squared_distance_of_normalised_vectors():
    """Equation 2 of the paper."""
    p, z = some_projections()
    distance = p / p.norm(dim=1, keepdim=True) - z / z.norm(dim=1, keepdim=True)
    expected = distance.square().sum(dim=1).mean()
    torch.testing.assert_close(byol_loss(p, target=z), expected)


def test_identical_orthogonal_and_opposite_projections():
    z = torch.eye(6, dtype=torch.float64)
    assert byol_loss(3 * z, target=z).item() == pytest.approx(0)
    assert byol_loss(z, target=z.roll(1, dims=0)).item() == pytest.approx(2)
    assert byol_loss(z, target=-z).item() == pytest.approx(4)


def test_it_knows_no_order_and_no_length():
    predicted, target = some_projections()
    order, length = torch.randperm(N_CELLS), torch.arange(1.0, N_CELLS + 1).unsqueeze(1)
    value = byol_loss(predicted, target=target)
    torch.testing.assert_close(byol_loss(predicted[order], target=target[order]), value)
    torch.testing.assert_close(byol_loss(length * predicted, target=target / length), value)


def test_the_loss_is_that_of_both_orders_of_the_views():
    pretext, minibatch = built(), some_minibatch()
    first, second, _ = pretext.views.two(minibatch, generator())

    def predicted(view):
        return pretext.predictor(pretext.projector(pretext.encoder(view)))

    expected = byol_loss(predicted(first), target=pretext.target(second))
    expected = expected + byol_loss(predicted(second), target=pretext.target(first))
    torch.testing.assert_close(pretext.loss(minibatch, generator()).value, expected)


def test_the_target_moves_by_exactly_the_momentum_of_the_schedule():
    pretext = built(momentum=0.9)
    online = [*pretext.encoder.parameters(), *pretext.projector.parameters()]
    target = list(pretext.target.parameters())
    assert all(map(torch.equal, online, target))
    expected = [weight.detach().double() for weight in target]
    for step in range(1, 6):
        with torch.no_grad():
            for weight in online:
                weight.add_(torch.randn(weight.shape, generator=generator()))
        pretext.after_step(progress=step / 5)
        momentum = 1 - (1 - 0.9) * (math.cos(math.pi * step / 5) + 1) / 2
        for i, weight in enumerate(online):
            expected[i] = momentum * expected[i] + (1 - momentum) * weight.detach().double()
            torch.testing.assert_close(target[i].double(), expected[i], atol=1e-5, rtol=1e-5)
    assert not any(map(torch.equal, online, target))


def test_the_target_follows_during_training_and_stands_still_at_its_end():
    """The published code never moved it."""
    pretext, targets = built(momentum=0.9), []

    def on_report(updates, means):
        targets.append([weight.clone() for weight in pretext.target.parameters()])
        return True

    training = TrainingOptions(max_updates=10, evaluate_every=1, minibatch_size=64)
    fit(pretext, synthetic_cells(), training, seed=0, device="cpu", on_report=on_report)
    for before, after in pairwise(targets[:-1]):
        assert not any(map(torch.equal, before, after))
    assert all(map(torch.equal, targets[-2], targets[-1]))  # momentum 1


@pytest.mark.parametrize(("depth", "without"), [(0, set()), (1, {SHIFT}), (2, {SHIFT})])
def test_every_weight_of_the_encoder_gets_a_gradient_the_embedding_layer_included(depth, without):
    """In the published code the embedding layer got none."""
    pretext = built(projector_depth=depth, predictor_depth=depth)
    pretext.loss(some_minibatch(), generator()).value.backward()
    sizes = {name: p.grad.abs().max().item() for name, p in pretext.encoder.named_parameters()}
    assert "network.2.weight" in sizes
    assert {name for name, size in sizes.items() if size < 1e-6} == without
    rows = pretext.encoder.network[2].weight.grad.abs().sum(dim=1)  # (embedding_dim,)
    assert (rows > 1e-6).all()


def test_no_gradient_reaches_the_target():
    pretext = built()
    pretext.loss(some_minibatch(), generator()).value.backward()
    assert all(weight.grad is None for weight in pretext.target.parameters())
    assert not any(weight.requires_grad for weight in pretext.target.parameters())


def test_a_target_without_momentum_is_the_online_network_after_every_step():
    pretext = built(momentum=0.0)
    online = [*pretext.encoder.parameters(), *pretext.projector.parameters()]

    def on_report(updates, means):
        assert all(map(torch.equal, online, pretext.target.parameters()))
        return True

    training = TrainingOptions(max_updates=5, evaluate_every=1, minibatch_size=64)
    fit(pretext, synthetic_cells(), training, seed=0, device="cpu", on_report=on_report)


def spread(pretext):
    """1 - length² of the mean direction of projections: 0 if all cells are at one point."""
    x = synthetic_cells().minibatch(np.arange(240)).x
    with torch.no_grad():
        z = normalize(pretext.eval().projector(pretext.encoder(x)), dim=1)
    return 1 - z.mean(dim=0).square().sum().item()


@pytest.mark.parametrize("seed", [0, 1])
def test_projections_collapse_without_a_predictor_and_not_with_it(seed):
    training = TrainingOptions(max_updates=100, minibatch_size=64)
    spreads = []
    for options in ({}, {"predictor_depth": 0, "momentum": 0.0}):
        pretext = built(seed, **options)
        fit(
            pretext, synthetic_cells(), training, seed=seed, device="cpu", on_report=lambda *_: True
        )
        spreads.append(spread(pretext))
    untrained, (kept, collapsed) = spread(built(seed)), spreads
    assert kept > untrained > 5 * collapsed
