from dataclasses import replace

import numpy as np
import pytest

from sslbench.data.sampling import part_of
from tests.factories import synthetic_cells


def labelled(label):
    cells = synthetic_cells(n_cells=len(label))
    return replace(cells, label=np.array(label, dtype=np.int64))


def test_few_cells_stay_as_they_are():
    cells = synthetic_cells()
    assert part_of(cells, about=len(cells)) is cells


def test_every_label_keeps_its_share_and_the_order_stays():
    part = part_of(labelled([0] * 600 + [1] * 300 + [2] * 100), about=100)
    assert np.bincount(part.label).tolist() == [60, 30, 10]
    assert (np.diff(part.row_ids) > 0).all()


def test_a_rare_label_does_not_vanish():
    part = part_of(labelled([0] * 999 + [1]), about=50)
    assert np.bincount(part.label).tolist() == [50, 1]


def test_only_labelled_cells_are_scored_and_kept():
    part = part_of(labelled([-1] * 500 + [0] * 30 + [1] * 10), about=40)
    assert np.bincount(part.label).tolist() == [30, 10]


def test_the_part_is_the_same_every_time():
    cells = labelled(list(range(4)) * 100)
    np.testing.assert_array_equal(
        part_of(cells, about=60).row_ids, part_of(cells, about=60).row_ids
    )


def test_without_any_label_some_cells_are_left_to_say_so():
    assert len(part_of(labelled([-1] * 50), about=10)) == 10


@pytest.mark.parametrize("n", [3, 57, 199])
def test_a_part_is_of_the_asked_size_up_to_rounding(n):
    assert abs(len(part_of(labelled(list(range(3)) * 100), about=n)) - n) <= 2
