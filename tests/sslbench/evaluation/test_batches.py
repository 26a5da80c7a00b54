"""Which cells integration is scored by, and which it refuses."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from sslbench.errors import DataError
from sslbench.evaluation._batches import batched_cells
from sslbench.evaluation.base import Embedded
from tests.factories import embedded_cells


def with_batches(
    embedded: Embedded, batch: np.ndarray, donor: np.ndarray | None = None
) -> Embedded:
    assert embedded.cells is not None
    nowhere = np.full(len(batch), "")
    cells = replace(embedded.cells, batch=batch, donor=nowhere if donor is None else donor)
    return replace(embedded, cells=cells)


def test_cells_without_a_label_or_a_batch_are_left_out():
    cells = embedded_cells()
    number = np.arange(len(cells.z))
    batch = np.where(number % 3 == 0, "", np.where(number % 2 == 0, "b", "c"))
    found = batched_cells(with_batches(cells, batch), most=10_000)
    kept = (cells.label >= 0) & (batch != "")
    np.testing.assert_array_equal(found.z, cells.z[kept])
    np.testing.assert_array_equal(found.batch, batch[kept])


def test_of_too_many_cells_it_is_the_same_part_in_the_same_order_however_they_come():
    cells = embedded_cells()
    order = np.random.default_rng(0).permutation(len(cells.z))
    found, again = (batched_cells(c, most=100) for c in (cells, cells.at(order)))
    assert len(found.label) == 100
    np.testing.assert_array_equal(again.z, found.z)
    np.testing.assert_array_equal(again.batch, found.batch)
    np.testing.assert_array_equal(again.cells.row_ids, found.cells.row_ids)


def test_donors_stand_in_for_batches_that_have_no_names():
    cells = embedded_cells()
    assert cells.cells is not None
    donor = cells.cells.donor
    found = batched_cells(with_batches(cells, np.full(len(donor), ""), donor), most=10_000)
    np.testing.assert_array_equal(found.batch, donor[cells.label >= 0])


def one_batch(cells: Embedded) -> Embedded:
    return with_batches(cells, np.full(len(cells.z), "b"))


def one_label(cells: Embedded) -> Embedded:
    return replace(cells, label=np.minimum(cells.label, 0))


def unshared(cells: Embedded) -> Embedded:
    return with_batches(cells, cells.label.astype(str))


def no_batch(cells: Embedded) -> Embedded:
    return with_batches(cells, np.full(len(cells.z), ""))


@pytest.mark.parametrize(
    "change, code",
    [
        (no_batch, "D310"),
        (one_label, "D312"),
        (unshared, "D313"),
        (lambda cells: cells.at(np.arange(9)), "D314"),
        (lambda cells: replace(cells, label=np.full_like(cells.label, -1)), "D314"),
        (one_batch, "D319"),
        (lambda cells: replace(cells, cells=None), "D310"),
    ],
)
def test_cells_that_say_nothing_of_how_batches_mix_are_refused(
    change: Callable[[Embedded], Embedded], code: str
):
    with pytest.raises(DataError) as refused:
        batched_cells(change(embedded_cells()), most=10_000)
    assert refused.value.code == code


def test_a_label_must_have_as_many_cells_as_the_metric_asks_for():
    cells = embedded_cells()
    with pytest.raises(DataError) as refused:
        batched_cells(cells, most=10_000, fewest_of_label=10_000)
    assert refused.value.code == "D313"
