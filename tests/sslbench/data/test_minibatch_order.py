"""The order of minibatches: every cell, one size, and a place that can be taken up again."""

import itertools
import json

import numpy as np
import pytest

from sslbench.data.minibatch_order import MinibatchOrder


def order_of(n_cells, size, seed=0):
    return MinibatchOrder(n_cells, size, generator=np.random.default_rng(seed))


def test_every_epoch_shows_every_cell_once_in_a_new_order():
    order = order_of(48, 16)
    epochs = [np.concatenate(list(itertools.islice(order, 3))) for _ in range(3)]
    assert all(sorted(epoch) == list(range(48)) for epoch in epochs)
    assert not np.array_equal(epochs[0], epochs[1])


def test_all_minibatches_have_one_size_and_every_cell_is_in_one_sooner_or_later():
    seen = list(itertools.islice(order_of(47, 16), 40))
    assert {len(index) for index in seen} == {16}
    assert all(len(set(np.concatenate(seen[i : i + 2]))) == 32 for i in range(0, 40, 2))
    assert set(np.concatenate(seen)) == set(range(47))


def test_a_minibatch_larger_than_the_cells_is_all_cells():
    assert [len(index) for index in itertools.islice(order_of(5, 128), 2)] == [5, 5]


@pytest.mark.parametrize("n_before", range(8))  # an epoch is three minibatches
def test_a_place_that_was_written_down_is_taken_up_again(n_before):
    order = order_of(50, 16)
    for _ in range(n_before):
        next(order)
    noted = json.loads(json.dumps(order.state()))
    expected = [next(order) for _ in range(7)]
    again = order_of(50, 16, seed=9)
    again.restore(noted)
    assert all(np.array_equal(next(again), index) for index in expected)
