from dataclasses import replace

import numpy as np
import pytest

from sslbench.data.sampling import at_most
from tests.factories import synthetic_cells


def labelled(label):
    cells = synthetic_cells(n_cells=len(label))
    return replace(cells, label=np.array(label, dtype=np.int64))


def test_few_cells_stay_as_they_are():
    cells = synthetic_cells()
    assert at_most(len(cells), cells) is cells


def test_every_label_keeps_its_share_and_the_order_stays():
    part = at_most(100, labelled([0] * 600 + [1] * 300 + [2] * 100))
    assert np.bincount(part.label).tolist() == [60, 30, 10]
    assert (np.diff(part.row_ids) > 0).all()


def test_a_rare_label_does_not_vanish():
    part = at_most(50, labelled([0] * 999 + [1]))
    assert np.bincount(part.label).tolist() == [50, 1]


def test_only_labelled_cells_are_scored_and_kept():
    part = at_most(40, labelled([-1] * 500 + [0] * 30 + [1] * 10))
    assert np.bincount(part.label).tolist() == [30, 10]


def test_the_part_is_the_same_every_time():
    cells = labelled(list(range(4)) * 100)
    np.testing.assert_array_equal(at_most(60, cells).row_ids, at_most(60, cells).row_ids)


def test_without_any_label_some_cells_are_left_to_say_so():
    assert len(at_most(10, labelled([-1] * 50))) == 10


@pytest.mark.parametrize("n", [3, 57, 199])
def test_a_part_is_of_the_asked_size_up_to_rounding(n):
    assert abs(len(at_most(n, labelled(list(range(3)) * 100))) - n) <= 2
