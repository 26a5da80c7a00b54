"""Fewer labels: subsets are nested, every type keeps its share, and validation is thinned like training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslbench.data.cells import UNLABELLED, Cells
from sslbench.data.labels import label_points, thinned, types_without_label
from sslbench.results import suffix_at
from tests.factories import synthetic_cells

ALL = synthetic_cells(n_cells=400)


def labelled(*n_cells: int, unlabelled: int = 0) -> Cells:
    """So many cells of each type in turn, then some without a label, in a random order."""
    label = np.repeat([*range(len(n_cells)), UNLABELLED], [*n_cells, unlabelled])
    label = np.random.default_rng(0).permutation(label)
    cells = ALL.at(np.arange(len(label)))
    return replace(cells, label=label, label_names=tuple(f"type{i}" for i in range(len(n_cells))))


def kept(cells: Cells, fraction: float, seed: int = 0) -> set[int]:
    label = thinned(cells, fraction, seed=seed).label
    assert label is not None
    return set(np.flatnonzero(label != UNLABELLED).tolist())


fractions = st.floats(0.01, 1.0)


@settings(deadline=None)
@given(fractions, fractions, st.integers(0, 5))
def test_fewer_labels_are_a_part_of_more(one: float, other: float, seed: int) -> None:
    cells = labelled(200, 60, 7, unlabelled=20)
    low, high = sorted((one, other))
    assert kept(cells, low, seed) <= kept(cells, high, seed)


@settings(deadline=None)
@given(fractions)
def test_each_type_keeps_its_share_and_no_label_changes(fraction: float) -> None:
    cells = labelled(200, 60, 7, unlabelled=20)
    after = thinned(cells, fraction, seed=3)
    assert cells.label is not None
    assert after.label is not None
    left = after.label != UNLABELLED
    assert (after.label[left] == cells.label[left]).all()
    counts = np.bincount(after.label[left], minlength=3)
    assert counts.tolist() == [round(fraction * n) for n in (200, 60, 7)]
    assert (after.row_ids == cells.row_ids).all()


@settings(deadline=None)
@given(fractions, st.integers(0, 5))
def test_a_type_is_named_exactly_where_no_label_of_it_is_left(fraction: float, seed: int) -> None:
    cells = labelled(200, 60, 7)
    after = thinned(cells, fraction, seed=seed).label
    assert after is not None
    left = set(after[after != UNLABELLED].tolist())
    lost = tuple(name for i, name in enumerate(cells.label_names) if i not in left)
    assert types_without_label(cells, fraction=fraction) == lost


def test_types_that_have_no_cell_at_all_are_not_named() -> None:
    assert types_without_label(labelled(10, 0, 10), fraction=0.5) == ()


def test_all_labels_are_the_cells_as_they_are() -> None:
    cells = labelled(10, 5)
    assert thinned(cells, 1.0, seed=0) is cells


def test_another_seed_is_another_subset() -> None:
    cells = labelled(200, 60)
    assert kept(cells, 0.1, seed=0) == kept(cells, 0.1, seed=0)
    assert kept(cells, 0.1, seed=0) != kept(cells, 0.1, seed=1)


def test_points_come_in_order_and_those_that_lose_a_type_are_left_out() -> None:
    train, val = labelled(200, 60, 20), labelled(40, 20, 10)
    points = label_points(train, val, fraction=1.0, further=(0.01, 0.05, 0.1), seed=4)
    assert [(point.fraction, point.suffix) for point in points] == [
        (1.0, ""),
        (0.05, "_at_5"),
        (0.1, "_at_10"),
    ]
    for point in points:
        label = point.train.label
        assert label is not None
        assert set(label[label != UNLABELLED].tolist()) == {0, 1, 2}, "every type keeps a label"


def test_validation_is_thinned_like_training() -> None:
    train, val = labelled(200, 60), labelled(40, 20)
    (_, point) = label_points(train, val, fraction=1.0, further=(0.1,), seed=4)
    assert np.array_equal(point.train.label, thinned(train, 0.1, seed=4).label)
    assert np.array_equal(point.val.label, thinned(val, 0.1, seed=4).label)
    counts = np.bincount(point.val.label[point.val.label >= 0])
    assert counts.tolist() == [4, 2]


def test_a_point_without_a_validation_label_is_left_out_but_never_the_first() -> None:
    train, val = labelled(200, 60), labelled(4, 3)
    points = label_points(train, val, fraction=0.1, further=(0.05,), seed=0)
    assert [point.fraction for point in points] == [0.1]


def test_the_labels_that_are_searched_with_are_the_same_for_every_seed() -> None:
    train, val = labelled(200, 60), labelled(40, 20)
    seeds = [label_points(train, val, fraction=0.2, further=(0.1,), seed=seed) for seed in (1, 2)]
    assert np.array_equal(seeds[0][0].train.label, seeds[1][0].train.label)
    assert not np.array_equal(seeds[0][1].train.label, seeds[1][1].train.label)


@pytest.mark.parametrize(
    ("fraction", "suffix"), [(0.01, "_at_1"), (0.07, "_at_7"), (0.29, "_at_29")]
)
def test_suffixes_are_whole_percents(fraction: float, suffix: str) -> None:
    assert suffix_at(fraction) == suffix


def test_further_labels_are_drawn_among_those_that_the_trial_has() -> None:
    """Whatever the seed: a sweep at half of the labels has no other."""
    for seed in range(3):
        own, further = label_points(
            labelled(100, 40), labelled(60, 40), fraction=0.5, further=(0.1,), seed=seed
        )
        for more, fewer in ((own.train, further.train), (own.val, further.val)):
            assert more.label is not None
            assert fewer.label is not None
            left = fewer.label != UNLABELLED
            np.testing.assert_array_equal(fewer.label[left], more.label[left])
        assert further.train.label is not None
        assert (further.train.label != UNLABELLED).sum() == 14  # a tenth of all labels
