import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity, normalize

from sslbench.config import TrainingOptions
from sslbench.encoders.base import build_encoder
from sslbench.pretext.base import build_pretext
from sslbench.pretext.moco import moco_loss
from sslbench.seeding import global_stream
from sslbench.training import fit
from tests.factories import synthetic_cells

N_CELLS, N_KEYS, N_DIMENSIONS = 6, 11, 4


def built(**options):
    cells = synthetic_cells()
    with global_stream(0, "init"):
        encoder = build_encoder("mlp", {"width": 16, "dropout": 0.0}, n_genes=cells.n_genes)
        return build_pretext("moco", options, encoder=encoder, genes=cells.genes, label_names=())


def cells_at(*row_ids):
    return synthetic_cells().minibatch(np.array(row_ids))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def one_update(pretext, minibatch, progress=0.1):
    value = pretext.loss(minibatch, generator()).value
    pretext.after_step(progress=progress)
    return value


def some_case():
    queries, keys = torch.randn(2, N_CELLS, N_DIMENSIONS, generator=generator()).double()
    negatives = torch.randn(N_KEYS, N_DIMENSIONS, generator=generator(1)).double()
    excluded = torch.rand(N_CELLS, N_KEYS, generator=generator(2)) < 0.3
    return queries, keys, negatives, excluded


def loss(queries, keys, negatives, excluded, temperature=0.2):
    return moco_loss(
        queries, keys, negatives=negatives, excluded=excluded, temperature=temperature
    ).item()


def slow_loss(queries, keys, negatives, excluded, temperature):
    """Equation 1 of the paper, without the negatives of the query's own cell."""

    def similarity(u, v):
        return math.exp(float(u @ v) / (float(u.norm()) * float(v.norm())) / temperature)

    total = 0.0
    for query, key, out in zip(queries, keys, excluded):
        positive = similarity(query, key)
        others = sum(similarity(query, n) for n, gone in zip(negatives, out) if not gone)
        total -= math.log(positive / (positive + others))
    return total / len(queries)


@pytest.mark.parametrize("temperature", [0.07, 0.2, 1.0])
def test_it_is_equation_one_of_the_paper(temperature):
    case = some_case()
    assert loss(*case, temperature) == pytest.approx(slow_loss(*case, temperature), rel=1e-6)


def test_it_is_softplus_of_how_much_negatives_together_beat_the_positive():
    queries, keys, negatives, excluded = some_case()
    positive = cosine_similarity(queries, keys, dim=1) / 0.2
    across = cosine_similarity(queries.unsqueeze(1), negatives.unsqueeze(0), dim=2) / 0.2
    total = across.where(~excluded, -torch.inf).logsumexp(dim=1)
    expected = torch.nn.functional.softplus(total - positive).mean()
    assert loss(queries, keys, negatives, excluded) == pytest.approx(expected.item())


def test_found_keys_among_orthogonal_ones():
    directions = torch.eye(10, dtype=torch.float64)
    value = loss(directions[:3], 2 * directions[:3], directions[3:], torch.zeros(3, 7).bool())
    assert value == pytest.approx(math.log(1 + 7 * math.exp(-1 / 0.2)))


def test_a_collapsed_projection_is_at_chance():
    z = torch.ones(20, 4, dtype=torch.float64)
    assert loss(z[:3], z[:3], z[3:], torch.zeros(3, 17).bool()) == pytest.approx(math.log(18))


def test_a_query_without_negatives_gives_zero():
    queries, keys, negatives, excluded = some_case()
    assert loss(queries, keys, negatives, torch.ones_like(excluded)) == pytest.approx(0)


def test_what_an_excluded_key_is_matters_to_nothing():
    queries, keys, negatives, _ = some_case()
    excluded = torch.zeros(N_CELLS, N_KEYS, dtype=torch.bool)
    excluded[:, 4] = True
    changed = negatives.clone()
    changed[4] = queries[0]
    assert loss(queries, keys, changed, excluded) == loss(queries, keys, negatives, excluded)


def test_it_knows_no_order_of_cells_or_keys_and_no_length():
    queries, keys, negatives, excluded = some_case()
    value = pytest.approx(loss(queries, keys, negatives, excluded))
    cells, order = torch.randperm(N_CELLS), torch.randperm(N_KEYS)
    assert loss(queries[cells], keys[cells], negatives, excluded[cells]) == value
    assert loss(queries, keys, negatives[order], excluded[:, order]) == value
    assert loss(3 * queries, keys / 5, 7 * negatives, excluded) == value


def test_a_minibatch_enters_the_queue_after_the_step_as_keys_of_the_target():
    pretext, minibatch = built(queue_size=10), cells_at(3, 8, 5)
    before = pretext.queue.keys.clone()
    _, second, _ = pretext.views.two(minibatch, generator())
    expected = normalize(pretext.target(second), dim=1)
    pretext.loss(minibatch, generator())
    assert torch.equal(pretext.queue.keys, before)
    pretext.after_step(progress=0.1)
    torch.testing.assert_close(pretext.queue.keys[:3], expected)
    assert torch.equal(pretext.queue.keys[3:], before[3:])
    assert pretext.queue.row_ids.tolist() == [3, 8, 5] + [-1] * 7


def test_a_minibatch_larger_than_the_queue_fills_it():
    pretext = built(queue_size=4)
    one_update(pretext, cells_at(*range(9)))
    assert sorted(pretext.queue.row_ids.tolist()) == [5, 6, 7, 8]


def test_older_keys_of_a_cell_are_not_its_negatives():
    """Two cells fill a queue of two: without its own key, each has one negative, the other's."""
    pretext = built(queue_size=2)
    one_update(pretext, cells_at(3, 8))
    minibatch = cells_at(3, 8)
    first, second, _ = pretext.views.two(minibatch, generator())
    queries = pretext.projector(pretext.encoder(first))
    expected = moco_loss(
        queries,
        pretext.target(second),
        negatives=pretext.queue.keys,
        excluded=torch.eye(2, dtype=torch.bool),
        temperature=pretext.temperature,
    )
    torch.testing.assert_close(pretext.loss(minibatch, generator()).value, expected)


def test_a_queue_of_nothing_but_the_cells_own_keys_gives_zero():
    pretext = built(queue_size=2)
    for _ in range(2):
        one_update(pretext, cells_at(3, 3))
    assert pretext.loss(cells_at(3, 3), generator()).value.item() == pytest.approx(0, abs=1e-6)


def test_the_target_follows_by_the_momentum_of_the_schedule():
    pretext = built(momentum=0.9)
    online = [*pretext.encoder.parameters(), *pretext.projector.parameters()]
    before = [weight.clone() for weight in pretext.target.parameters()]
    with torch.no_grad():
        for weight in online:
            weight.add_(1.0)
    pretext.after_step(progress=0.25)
    momentum = 1 - 0.1 * (math.cos(math.pi / 4) + 1) / 2
    for slow, old, fast in zip(pretext.target.parameters(), before, online):
        torch.testing.assert_close(slow, momentum * old + (1 - momentum) * fast)


def test_no_gradient_reaches_the_target_or_the_queue():
    pretext = built()
    pretext.loss(cells_at(*range(32)), generator()).value.backward()
    assert all(weight.grad is None for weight in pretext.target.parameters())
    assert not pretext.queue.keys.requires_grad
    assert all(weight.grad is not None for weight in pretext.projector.parameters())


def lead_of_own_keys(pretext):
    """Mean distance of a query's own key from those of other cells, in standard deviations of these."""
    minibatch = cells_at(*range(128))
    first, second, _ = pretext.views.two(minibatch, generator(9))
    with torch.no_grad():
        queries = normalize(pretext.projector(pretext.encoder(first)), dim=1)
        similarity = queries @ normalize(pretext.target(second), dim=1).T  # (n_cells, n_cells)
    of_others = similarity[~torch.eye(128, dtype=torch.bool)].reshape(128, 127)
    lead = similarity.diagonal() - of_others.mean(dim=1)
    return (lead / of_others.std(dim=1)).mean().item()


def test_training_sets_a_cells_own_key_apart_from_those_of_others():
    """Its loss does not show it: the queue begins as random directions, which are easy to tell apart."""
    pretext = built(gene_dropout=0.2, queue_size=256, momentum=0.99)
    before = lead_of_own_keys(pretext)
    training = TrainingOptions(max_updates=300, minibatch_size=64)
    fit(pretext, synthetic_cells(), training, seed=0, device="cpu", on_report=lambda *_: True)
    assert lead_of_own_keys(pretext) > before + 0.1
