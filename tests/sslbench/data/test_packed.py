"""Packed rows against scipy and numpy: what is not listed is zero, and nothing else is lost or moved."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_matrix

from sslbench.data.cells import CellBatch, CountsMatrix, normalise
from sslbench.data.packed import PackedRows, dense
from tests.factories import packed_rows, synthetic_cells

MATRICES = arrays(
    np.uint16,
    st.tuples(st.integers(1, 6), st.integers(1, 8)),
    elements=st.sampled_from([0, 0, 0, 1, 7, 65_535]),
)
EMPTY = {
    "one row": np.zeros((1, 5), dtype=np.uint16),
    "all rows": np.zeros((4, 5), dtype=np.uint16),
    "no rows": np.zeros((0, 5), dtype=np.uint16),
}


def packed(matrix: np.ndarray) -> PackedRows:
    return packed_rows(torch.from_numpy(matrix.astype(np.float32)))


def some_counts(n_cells: int = 40, n_genes: int = 300) -> np.ndarray:
    """Counts of which nine tenths are zeros; the first, the last and one other cell have none."""
    counts = np.random.default_rng(0).poisson(0.1, (n_cells, n_genes)) * 3
    counts[[0, 7, -1]] = 0
    return counts.astype(np.uint16)


def memory_mapped(folder: Path, counts: np.ndarray) -> CountsMatrix:
    """The counts as a store keeps them: small types, on disk."""
    rows = csr_matrix(counts)
    arrays_of = {"indices": rows.indices.astype(np.uint16), "values": rows.data.astype(np.uint16)}
    for name, array in arrays_of.items():
        np.save(folder / f"{name}.npy", array)
    on_disk = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in arrays_of}
    return CountsMatrix(indptr=rows.indptr.astype(np.int64), n_genes=counts.shape[1], **on_disk)


def is_in_order(rows: PackedRows) -> bool:
    """Say whether the genes of each cell ascend, none twice."""
    cells = rows.pattern.gene.tensor_split(rows.pattern.indptr[1:-1].long())
    return all((genes.diff() > 0).all() for genes in cells)


@given(MATRICES)
def test_dense_rows_are_the_matrix(matrix: np.ndarray) -> None:
    rows = packed(matrix)
    assert rows.shape == matrix.shape
    np.testing.assert_array_equal(rows.dense().numpy(), matrix)


@given(MATRICES)
def test_what_is_not_listed_can_have_another_value(matrix: np.ndarray) -> None:
    expected = np.where(matrix > 0, matrix, np.float32(0.3))
    np.testing.assert_array_equal(packed(matrix).dense(elsewhere=0.3).numpy(), expected)


@pytest.mark.parametrize("matrix", EMPTY.values(), ids=EMPTY)
def test_rows_without_any_count_are_dense_zeros_with_sums_of_zero(matrix: np.ndarray) -> None:
    rows = packed(matrix)
    np.testing.assert_array_equal(rows.dense().numpy(), matrix)
    np.testing.assert_array_equal(rows.dense(elsewhere=2.0).numpy(), matrix + 2)
    assert rows.sum_of_cells().tolist() == [0.0] * len(matrix)
    assert rows.for_each(torch.ones(len(matrix))).shape == (0,)


@given(MATRICES, st.randoms(use_true_random=False))
def test_what_is_not_kept_becomes_zero_and_is_no_longer_listed(matrix, random) -> None:
    kept = np.array([[random.random() < 0.5 for _ in row] for row in matrix])
    rows = packed(matrix)
    fewer = rows.only(torch.from_numpy(kept[matrix > 0]))
    np.testing.assert_array_equal(fewer.dense().numpy(), np.where(kept, matrix, 0))
    assert len(fewer.value) == (kept & (matrix > 0)).sum()
    assert is_in_order(fewer)
    np.testing.assert_array_equal(rows.dense().numpy(), matrix)


@given(MATRICES)
def test_the_sum_of_a_cell_is_that_of_its_counts(matrix: np.ndarray) -> None:
    sums = packed(matrix).sum_of_cells().numpy()
    np.testing.assert_array_equal(sums, matrix.sum(axis=1, dtype=np.float64))


@given(MATRICES)
def test_gene_after_gene_the_non_zeros_are_those_of_the_columns_of_scipy(
    matrix: np.ndarray,
) -> None:
    rows, columns = packed(matrix), csr_matrix(matrix).tocsc()
    by_gene = rows.pattern.by_gene
    np.testing.assert_array_equal(by_gene.indptr.numpy(), columns.indptr)
    np.testing.assert_array_equal(by_gene.cell.numpy(), columns.indices)
    np.testing.assert_array_equal(rows.value[by_gene.order].numpy(), columns.data)


@given(MATRICES)
def test_what_belongs_to_a_cell_is_given_to_each_of_its_non_zeros(matrix: np.ndarray) -> None:
    rows, of_cell = packed(matrix), torch.arange(len(matrix)) * 10.0
    cell, gene = matrix.nonzero()
    assert rows.for_each(of_cell).tolist() == (cell * 10.0).tolist()
    assert rows.pattern.cell.tolist() == cell.tolist()
    assert rows.place.tolist() == (cell * matrix.shape[1] + gene).tolist()


def test_other_values_stand_at_the_same_places_and_have_their_own_type() -> None:
    rows = packed(some_counts())
    halved = rows.with_values(rows.value.double() / 2)
    assert halved.pattern is rows.pattern
    assert halved.dense().dtype == torch.float64
    np.testing.assert_array_equal(halved.dense().numpy(), some_counts() / 2)


def test_a_dense_tensor_stays_what_it_is() -> None:
    x = torch.rand(3, 4)
    assert dense(x) is x
    assert torch.equal(dense(packed_rows(x)), x)


@pytest.mark.parametrize(
    "index", [[31, 0, 7, 5, 31, 39, 2], list(range(40)), [7, 0, 39], [12], []], ids=str
)
def test_rows_of_a_matrix_on_disk_are_those_asked_for_in_that_order(
    index: list[int], tmp_path: Path
) -> None:
    rows = memory_mapped(tmp_path, some_counts()).packed(np.array(index, dtype=np.int64))
    np.testing.assert_array_equal(rows.dense().numpy(), some_counts()[index])
    assert is_in_order(rows)
    assert not isinstance(rows.value.numpy().base, np.memmap)


def test_packed_rows_of_a_matrix_are_its_non_zeros_and_no_more(tmp_path: Path) -> None:
    index = [31, 0, 7, 5, 31]
    rows, expected = (
        memory_mapped(tmp_path, some_counts()).packed(np.array(index)),
        csr_matrix(some_counts()[index]),
    )
    np.testing.assert_array_equal(rows.pattern.indptr.numpy(), expected.indptr)
    np.testing.assert_array_equal(rows.pattern.gene.numpy(), expected.indices)
    np.testing.assert_array_equal(rows.value.numpy(), expected.data)
    assert rows.value.dtype == torch.float32


def test_packed_rows_are_normalised_as_dense_ones_to_the_last_bit_but_one() -> None:
    rows = packed(some_counts())
    of_packed = normalise(rows, rows.sum_of_cells()).dense()
    of_dense = normalise(rows.dense(), rows.dense().sum(dim=1))
    np.testing.assert_array_max_ulp(of_packed.numpy(), of_dense.numpy(), maxulp=1)


def some_minibatch() -> tuple[CellBatch, CellBatch]:
    """The same cells twice: packed, and dense as on a GPU."""
    cells = synthetic_cells()
    minibatch = cells.minibatch(np.array([5, 0, 200, 5]))
    return minibatch, CellBatch(
        raw=minibatch.raw.dense(),
        library_size=minibatch.library_size,
        row_ids=minibatch.row_ids,
        label=minibatch.label,
    )


def test_a_minibatch_is_dense_only_where_that_is_asked_for() -> None:
    minibatch, as_dense = some_minibatch()
    assert isinstance(minibatch.expression, PackedRows)
    assert {"x", "counts"}.isdisjoint(vars(minibatch))
    assert torch.equal(minibatch.counts, as_dense.counts)
    torch.testing.assert_close(minibatch.x, as_dense.x, rtol=1e-6, atol=0)
    assert minibatch.x is minibatch.x


def test_a_view_replaces_the_expression_and_nothing_else() -> None:
    for minibatch in some_minibatch():
        counts, view = minibatch.counts, minibatch.x + 1
        seen = minibatch.seen_as(view)
        assert seen.expression is seen.x is view
        assert torch.equal(seen.counts, counts)
        assert seen.row_ids is minibatch.row_ids
        assert minibatch.x is not view
