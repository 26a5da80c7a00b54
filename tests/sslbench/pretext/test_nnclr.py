import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity, normalize

from sslbench.encoders.base import build_encoder
from sslbench.pretext.base import build_pretext
from sslbench.pretext.nnclr import nearest, nnclr_loss
from sslbench.seeding import global_stream
from tests.factories import synthetic_cells

N_CELLS, N_KEYS, N_DIMENSIONS = 6, 11, 4


def built(**options):
    cells = synthetic_cells()
    with global_stream(0, "init"):
        encoder = build_encoder("mlp", {"width": 16, "dropout": 0.0}, n_genes=cells.n_genes)
        return build_pretext("nnclr", options, encoder=encoder, genes=cells.genes, label_names=())


def cells_at(*row_ids):
    return synthetic_cells().minibatch(np.array(row_ids))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def one_update(pretext, minibatch):
    pretext.loss(minibatch, generator())
    pretext.after_step(progress=0.1)


def some_case():
    z, predicted = torch.randn(2, N_CELLS, N_DIMENSIONS, generator=generator()).double()
    keys = normalize(torch.randn(N_KEYS, N_DIMENSIONS, generator=generator(1)).double(), dim=1)
    excluded = torch.rand(N_CELLS, N_KEYS, generator=generator(2)) < 0.5
    return z, predicted, keys, excluded


def loss(neighbours, predicted, temperature=0.1):
    return nnclr_loss(neighbours, predicted, temperature=temperature).item()


def slow_loss(neighbours, predicted, temperature):
    """Equation 3 of the paper."""

    def similarity(u, v):
        return math.exp(float(u @ v) / (float(u.norm()) * float(v.norm())) / temperature)

    total = 0.0
    for i, neighbour in enumerate(neighbours):
        of_all = [similarity(neighbour, p) for p in predicted]
        total -= math.log(of_all[i] / sum(of_all))
    return total / len(neighbours)


@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
def test_it_is_equation_three_of_the_paper(temperature):
    z, predicted, *_ = some_case()
    value = loss(z, predicted, temperature)
    assert value == pytest.approx(slow_loss(z, predicted, temperature), rel=1e-6)


def test_it_is_the_log_of_the_sum_over_all_less_the_own_similarity():
    z, predicted, *_ = some_case()
    similarity = cosine_similarity(z.unsqueeze(1), predicted.unsqueeze(0), dim=2) / 0.1
    expected = (similarity.logsumexp(dim=1) - similarity.diagonal()).mean().item()
    assert loss(z, predicted) == pytest.approx(expected)


def test_found_neighbours_of_orthogonal_cells_and_a_collapsed_projection():
    z = torch.eye(6, dtype=torch.float64)
    assert loss(z, 4 * z) == pytest.approx(math.log(1 + 5 * math.exp(-1 / 0.1)))
    assert loss(torch.ones_like(z), torch.ones_like(z)) == pytest.approx(math.log(6))
    assert loss(z[:1], z[:1]) == 0


def test_it_knows_no_order_and_no_length():
    z, predicted, *_ = some_case()
    order = torch.randperm(N_CELLS)
    assert loss(z[order], predicted[order]) == pytest.approx(loss(z, predicted))
    assert loss(3 * z, predicted / 7) == pytest.approx(loss(z, predicted))


def test_the_nearest_key_is_that_of_the_highest_cosine_among_those_allowed():
    z, _, keys, excluded = some_case()
    found = nearest(z, among=keys, excluded=excluded)
    for vector, neighbour, out in zip(z, found, excluded):
        cosines = [float(vector @ key) / float(vector.norm()) for key in keys]
        allowed = [k for k in range(N_KEYS) if not out[k]]
        assert torch.equal(neighbour, keys[max(allowed, key=cosines.__getitem__)])


def test_where_no_key_is_allowed_the_first_is_taken():
    z, _, keys, excluded = some_case()
    found = nearest(z, among=keys, excluded=torch.ones_like(excluded))
    assert torch.equal(found, keys[:1].expand(N_CELLS, -1))


def test_no_gradient_flows_into_a_neighbour():
    z, _, keys, excluded = some_case()
    assert not nearest(z.requires_grad_(), among=keys, excluded=excluded).requires_grad


def test_the_projections_of_the_first_view_enter_the_queue_after_the_step():
    pretext, minibatch = built(queue_size=10), cells_at(3, 8, 5)
    before = pretext.queue.keys.clone()
    first, _, _ = pretext.views.two(minibatch, generator())
    expected = normalize(pretext.projector(pretext.encoder(first)), dim=1)
    pretext.loss(minibatch, generator())
    assert torch.equal(pretext.queue.keys, before)
    pretext.after_step(progress=0.1)
    torch.testing.assert_close(pretext.queue.keys[:3], expected)
    assert pretext.queue.row_ids.tolist() == [3, 8, 5] + [-1] * 7


def test_the_loss_is_that_of_both_orders_with_neighbours_from_the_queue():
    pretext, minibatch = built(queue_size=20), cells_at(*range(40, 50))
    one_update(pretext, cells_at(*range(20)))
    first, second, _ = pretext.views.two(minibatch, generator())
    z, other = (pretext.projector(pretext.encoder(view)) for view in (first, second))
    nobody = torch.zeros(10, 20, dtype=torch.bool)
    orders = [
        nnclr_loss(
            nearest(sought, among=pretext.queue.keys, excluded=nobody),
            pretext.predictor(predicting),
            temperature=pretext.temperature,
        )
        for sought, predicting in ((z, other), (other, z))
    ]
    loss = pretext.loss(minibatch, generator()).value
    torch.testing.assert_close(loss, sum(orders) / 2)


def test_a_cell_is_never_its_own_neighbour():
    """Two cells fill a queue of two: the neighbour of each can only be the other."""
    pretext = built(queue_size=2)
    one_update(pretext, cells_at(3, 8))
    minibatch = cells_at(3, 8)
    first, second, _ = pretext.views.two(minibatch, generator())
    z, other = (pretext.projector(pretext.encoder(view)) for view in (first, second))
    swapped = pretext.queue.keys.flip(0)
    expected = nnclr_loss(swapped, pretext.predictor(other), temperature=pretext.temperature)
    expected += nnclr_loss(swapped, pretext.predictor(z), temperature=pretext.temperature)
    torch.testing.assert_close(pretext.loss(minibatch, generator()).value, expected / 2)


def test_random_directions_of_a_queue_that_is_not_full_are_no_neighbours():
    values, minibatch = [], cells_at(*range(40, 50))
    for size in (20, 500):
        pretext = built(queue_size=size)
        keys = normalize(torch.randn(20, 128, generator=generator(3)), dim=1)
        pretext.queue.stage(keys, row_ids=torch.arange(20))
        pretext.queue.enqueue()
        values.append(pretext.loss(minibatch, generator()).value)
    assert torch.equal(*values)


def test_a_minibatch_larger_than_the_queue_fills_it():
    pretext = built(queue_size=4)
    one_update(pretext, cells_at(*range(9)))
    assert sorted(pretext.queue.row_ids.tolist()) == [5, 6, 7, 8]


def test_the_predictor_can_be_left_out():
    assert list(built(predictor_depth=0).predictor.parameters()) == []
