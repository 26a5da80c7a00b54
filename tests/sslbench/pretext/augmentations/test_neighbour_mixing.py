"""Mutual nearest neighbours against their definition, written as a slow loop, and what is mixed with them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist, pdist
from scipy.stats import chisquare

from sslbench.pretext.augmentations import neighbour_mixing
from sslbench.pretext.augmentations.neighbour_mixing import (
    NeighbourMixing,
    Options,
    mutual_neighbours,
    principal_components,
)
from tests.factories import synthetic_cells


def pairs_by_the_loop(z, *, batch, k):
    """a and b are a pair if each is among the k cells of its batch that are nearest to the other."""
    distance, cells = cdist(z, z), range(len(z))
    one_batch = len(set(batch)) == 1

    def finds(a, b):
        others = [c for c in cells if batch[c] == batch[b] and c != a]
        return b in sorted(others, key=lambda c: distance[a, c])[:k]

    return {
        (a, b)
        for a in cells
        for b in cells
        if a != b and (one_batch or batch[a] != batch[b]) and finds(a, b) and finds(b, a)
    }


def pairs_of(mutual):
    return set(zip(*(side.tolist() for side in mutual.nonzero())))


def some_cells(n_batches=2, n_cells=60):
    return synthetic_cells(n_cells=n_cells, n_batches=n_batches, n_donors=6)


def prepared(cells, **options):
    augmentation = NeighbourMixing(Options(**options))
    augmentation.prepare(cells)
    return augmentation


def view(augmentation, minibatch, *, strength=0.3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return augmentation(minibatch, strength=strength, generator=generator)


def partners_of(x, cells):
    """The training cell whose expression each row of x is."""
    everyone = cells.minibatch(np.arange(len(cells))).x
    same = (x.unsqueeze(1) == everyone).all(dim=2)
    assert (same.sum(dim=1) == 1).all()
    return same.int().argmax(dim=1).tolist()


@pytest.mark.parametrize("n_batches", [1, 2, 4])
@pytest.mark.parametrize("k", [1, 3, 10])
def test_mutual_neighbours_are_those_of_the_definition(n_batches, k):
    rng = np.random.default_rng(k)
    z = rng.normal(size=(50, 4))
    batch = np.array([f"b{i}" for i in rng.integers(n_batches, size=50)])
    found = pairs_of(mutual_neighbours(z, batch=batch, k=k))
    assert found == pairs_by_the_loop(z, batch=batch, k=k)
    assert found


@pytest.mark.parametrize("n_batches", [1, 3])
def test_a_k_beyond_all_cells_pairs_every_cell_with_every_other(n_batches):
    z = np.random.default_rng(0).normal(size=(9, 2))
    batch = np.array(["a", "b", "c"])[np.arange(9) % n_batches]
    n_others = 8 if n_batches == 1 else 6
    mutual = mutual_neighbours(z, batch=batch, k=1000)
    assert mutual.getnnz(axis=1).tolist() == [n_others] * 9
    assert not mutual.diagonal().any()


def test_cells_that_are_the_same_are_neighbours_but_not_of_themselves():
    mutual = mutual_neighbours(np.zeros((4, 2)), batch=np.full(4, ""), k=3)
    assert mutual.getnnz(axis=1).tolist() == [3] * 4
    assert not mutual.diagonal().any()


def test_a_batch_of_one_cell_has_partners_in_the_other_batch():
    z = np.array([[0.0], [1.0], [5.0]])
    mutual = mutual_neighbours(z, batch=np.array(["a", "b", "b"]), k=1)
    assert pairs_of(mutual) == {(0, 1), (1, 0)}


def test_principal_components_keep_the_distances_of_a_full_decomposition():
    cells = some_cells(n_cells=150)
    x = cells.minibatch(np.arange(150)).x.double().numpy()
    x -= x.mean(axis=0)
    exact = x @ np.linalg.svd(x, full_matrices=False)[2][:50].T
    np.testing.assert_allclose(pdist(principal_components(cells)), pdist(exact), rtol=1e-3)


def test_principal_components_are_the_same_at_every_call():
    first, second = (principal_components(some_cells()) for _ in range(2))
    assert np.array_equal(first, second)


def test_of_many_cells_a_sample_gives_the_components_of_all(monkeypatch):
    monkeypatch.setattr(neighbour_mixing, "MAX_FIT_CELLS", 100)
    first, second = (principal_components(some_cells(n_cells=240)) for _ in range(2))
    assert first.shape == (240, 50)
    assert np.array_equal(first, second)


@pytest.mark.parametrize("n_batches", [1, 2])
def test_a_cell_is_mixed_with_one_of_its_mutual_neighbours(n_batches):
    cells = some_cells(n_batches)
    listed = pairs_by_the_loop(principal_components(cells), batch=cells.batch, k=4)
    paired = sorted({a for a, _ in listed})
    minibatch, augmentation = cells.minibatch(np.array(paired)), prepared(cells, neighbours=4)
    drawn = set()
    for seed in range(60):
        partner = partners_of(view(augmentation, minibatch, strength=1.0, seed=seed), cells)
        drawn |= set(zip(paired, partner))
    assert drawn == listed
    if n_batches > 1:
        assert all(cells.batch[a] != cells.batch[b] for a, b in drawn)


def test_every_mutual_neighbour_is_equally_likely():
    cells = some_cells()
    listed = pairs_by_the_loop(principal_components(cells), batch=cells.batch, k=10)
    cell, n_partners = max(
        ((a, sum(a == c for c, _ in listed)) for a in range(60)), key=lambda pair: pair[1]
    )
    many = cells.minibatch(np.full(3000, cell))
    partner = partners_of(view(prepared(cells), many, strength=1.0), cells)
    count = [c for c in np.bincount(partner) if c]
    assert len(count) == n_partners > 2
    assert chisquare(count).pvalue > 1e-4


@pytest.mark.parametrize("strength", [0.25, 0.8])
def test_the_view_lies_between_the_two_cells(strength):
    cells = some_cells()
    minibatch, augmentation = cells.minibatch(np.arange(60)), prepared(cells)
    whole = view(augmentation, minibatch, strength=1.0)
    expected = (1 - strength) * minibatch.x + strength * whole
    torch.testing.assert_close(view(augmentation, minibatch, strength=strength), expected)


@pytest.mark.parametrize("n_batches", [1, 2])
def test_a_cell_without_mutual_neighbours_stays_unchanged(n_batches):
    cells = some_cells(n_batches)
    listed = pairs_by_the_loop(principal_components(cells), batch=cells.batch, k=1)
    minibatch = cells.minibatch(np.arange(60))
    # Expression that an augmentation before this one has changed is kept too.
    minibatch = replace(minibatch, view=minibatch.x * 0.5)
    x = view(prepared(cells, neighbours=1), minibatch)
    unchanged = (x == minibatch.x).all(dim=1).nonzero().flatten().tolist()
    assert unchanged == sorted(set(range(60)) - {a for a, _ in listed})
    assert unchanged


def test_one_training_cell_stays_unchanged():
    cells = replace(some_cells(), row_ids=np.array([5]), batch=np.array(["b0"]))
    minibatch = cells.minibatch(np.array([0]))
    with np.errstate(all="ignore"):
        augmentation = prepared(cells)
    assert torch.equal(view(augmentation, minibatch), minibatch.x)


def test_a_cell_that_is_not_a_training_cell_is_an_error():
    cells = some_cells()
    train = replace(cells, row_ids=cells.row_ids[1::2], batch=cells.batch[1::2])
    augmentation = prepared(train)
    for row in (0, 58):
        with pytest.raises(ValueError, match=rf"row_ids=\[{row}\]; call prepare with"):
            view(augmentation, cells.minibatch(np.array([1, row, 59])))


def test_labels_are_not_kept():
    assert prepared(some_cells()).pool.label is None
