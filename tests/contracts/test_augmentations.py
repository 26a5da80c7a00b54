"""Every augmentation keeps the contract of pretext/augmentations/base.py; a new file is covered at once."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from annotated_types import Le
from scipy.sparse import csr_matrix

from sslbench.data.cells import Cells, CountsMatrix
from sslbench.pretext.augmentations.base import ORDER, Augmentation, build_augmentation
from sslbench.registry import AUGMENTATIONS, defining_module
from tests.factories import synthetic_cells

# What an augmentation cannot do without on synthetic cells, with the reason.
OPTIONS_OF = {
    "programme_dropout": {"programmes": "coexpression"},  # no published set names synthetic genes
}
EVERY = pytest.mark.parametrize("name", AUGMENTATIONS.names())


@cache
def train_cells():
    return synthetic_cells().without_labels()


def built(name):
    return build_augmentation(name, OPTIONS_OF.get(name, {}))


def prepared(name, cells=None):
    augmentation = built(name)
    augmentation.prepare(cells or train_cells())
    return augmentation


def strengths(name):
    """The default strength, and the largest that is allowed."""
    field = AUGMENTATIONS.options(name).model_fields["strength"]
    (largest,) = (bound.le for bound in field.metadata if isinstance(bound, Le))
    return {"default": field.default, "largest": largest}


def draw(name, *, minibatch=None, cells=None, strength=None, seed=0):
    """A view of forty training cells, the augmentation fitted on all of them."""
    cells = cells or train_cells()
    return prepared(name, cells)(
        minibatch or cells.minibatch(np.arange(40)),
        strength=strengths(name)["default"] if strength is None else strength,
        generator=torch.Generator().manual_seed(seed),
    )


def renumbered(cells):
    """The same cells as other rows of a larger store: neither sorted nor contiguous."""
    rng = np.random.default_rng(1)
    rows = rng.permutation(3 * len(cells))[: len(cells)]
    counts = rng.poisson(5, (3 * len(cells), cells.n_genes)).astype(np.float32)
    counts[rows] = cells.dense_counts()
    return replace(cells, counts=CountsMatrix.from_scipy(csr_matrix(counts)), row_ids=rows)


@EVERY
def test_options_are_documented_and_readable_without_torch(name):
    light, imported = AUGMENTATIONS.options(name), defining_module(AUGMENTATIONS.load(name)).Options
    assert light.model_json_schema() == imported.model_json_schema()
    assert all(field.description for field in imported.model_fields.values())
    assert AUGMENTATIONS.summary(name)


@EVERY
def test_the_strength_has_a_default_and_bounds_from_zero(name):
    options = AUGMENTATIONS.options(name)
    assert 0 < options().strength <= strengths(name)["largest"]
    assert options(strength=0).strength == 0
    with pytest.raises(ValueError):
        options(strength=-0.1)


@EVERY
def test_what_it_acts_on_is_declared(name):
    assert AUGMENTATIONS.load(name).acts_on in ORDER


@EVERY
@pytest.mark.parametrize("which", ["default", "largest"])
def test_a_view_is_finite_not_negative_and_shaped_as_the_expression(name, which):
    x = draw(name, strength=strengths(name)[which])
    assert x.shape == (40, train_cells().n_genes)
    assert x.dtype == torch.float32
    assert x.isfinite().all()
    assert (x >= 0).all()


@EVERY
def test_the_default_strength_changes_the_expression(name):
    assert not torch.equal(draw(name), train_cells().minibatch(np.arange(40)).x)


@EVERY
def test_strength_zero_is_the_identity(name):
    assert torch.equal(draw(name, strength=0), train_cells().minibatch(np.arange(40)).x)


@EVERY
@pytest.mark.parametrize("strength", [0, None])
def test_the_minibatch_stays_as_it_is_and_shares_no_memory_with_the_view(name, strength):
    minibatch, kept = (train_cells().minibatch(np.arange(40)) for _ in range(2))
    x = draw(name, minibatch=minibatch, strength=strength)
    x.add_(1)
    for part in ("x", "counts", "library_size", "row_ids"):
        assert torch.equal(getattr(minibatch, part), getattr(kept, part))


@EVERY
def test_draws_come_from_the_generator_alone(name):
    torch.manual_seed(1)
    first = draw(name, seed=3)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = draw(name, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, second)


@EVERY
def test_another_seed_gives_another_view(name):
    assert not torch.equal(draw(name, seed=1), draw(name, seed=2))


@EVERY
def test_two_calls_give_two_views(name):
    augmentation, generator = prepared(name), torch.Generator().manual_seed(0)
    minibatch, strength = train_cells().minibatch(np.arange(40)), strengths(name)["default"]
    first, second = (
        augmentation(minibatch, strength=strength, generator=generator) for _ in range(2)
    )
    assert not torch.equal(first, second)


@EVERY
def test_a_single_cell_has_a_view(name):
    x = draw(name, minibatch=train_cells().minibatch(np.array([7])))
    assert x.shape == (1, train_cells().n_genes)
    assert x.isfinite().all()


@EVERY
def test_a_cell_without_counts_has_a_finite_view(name):
    minibatch = train_cells().minibatch(np.arange(3))
    counts = minibatch.counts * torch.tensor([[1.0], [0.0], [1.0]])
    size = counts.sum(dim=1)
    empty = replace(minibatch, raw=counts, library_size=size)
    assert draw(name, minibatch=empty).isfinite().all()


@EVERY
def test_row_numbers_of_the_store_do_not_matter(name):
    """The same cells in the same order, as rows of another store, have the same view."""
    other, index = renumbered(train_cells()), np.array([5, 239, 0, 17, 100])
    expected = draw(name, minibatch=train_cells().minibatch(index))
    assert torch.equal(draw(name, minibatch=other.minibatch(index), cells=other), expected)


@EVERY
def test_what_must_be_prepared_says_so_and_is_not_saved(name):
    augmentation = built(name)
    assert prepared(name).state_dict() == {}
    if type(augmentation).prepare is not Augmentation.prepare:
        with pytest.raises(RuntimeError, match=rf"{name} needs .*; call prepare\(train\)"):
            augmentation(
                train_cells().minibatch(np.arange(4)), strength=0.5, generator=torch.Generator()
            )


@EVERY
def test_cells_that_were_not_trained_on_do_not_matter(name):
    """The other rows of the store are only there."""
    train = renumbered(train_cells())
    counts = train.counts.rows(np.arange(train.counts.shape[0])) * 7
    counts[train.row_ids] = train.dense_counts()
    changed: Cells = replace(train, counts=CountsMatrix.from_scipy(csr_matrix(counts)))
    assert torch.equal(draw(name, cells=train), draw(name, cells=changed))
