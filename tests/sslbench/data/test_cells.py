import numpy as np
import torch
from scipy.sparse import csr_matrix, random

from sslbench.data.cells import CountsMatrix, normalise
from tests.factories import synthetic_cells


def matrix(**given: object) -> tuple[CountsMatrix, np.ndarray]:
    counts = csr_matrix(np.rint(random(30, 70, density=0.2, rng=0).toarray() * 9))
    return CountsMatrix.from_scipy(counts), counts.toarray()


def test_rows_are_those_of_the_dense_matrix_in_any_order_and_repeated() -> None:
    counts, dense = matrix()
    index = np.array([5, 29, 0, 5])
    np.testing.assert_array_equal(counts.rows(index), dense[index])
    assert counts.rows(index).dtype == np.float32


def test_no_rows_are_an_empty_matrix() -> None:
    counts, _ = matrix()
    assert counts.rows(np.array([], dtype=np.int64)).shape == (0, 70)


def test_small_index_types_give_the_same_rows() -> None:
    counts, dense = matrix()
    small = CountsMatrix(
        indptr=counts.indptr,
        indices=counts.indices.astype(np.uint16),
        values=counts.values.astype(np.uint16),
        n_genes=70,
    )
    np.testing.assert_array_equal(small.rows(np.arange(30)), dense)


def test_a_minibatch_is_scaled_to_ten_thousand_a_cell_before_the_logarithm() -> None:
    cells = synthetic_cells()
    batch = cells.minibatch(np.array([3, 1]))
    np.testing.assert_allclose(np.expm1(batch.x.numpy()).sum(axis=1), 1e4, rtol=1e-4)
    torch.testing.assert_close(batch.library_size, batch.counts.sum(dim=1))
    assert batch.row_ids.tolist() == [3, 1]
    assert batch.label is not None
    assert batch.label.tolist() == cells.label[[3, 1]].tolist()


def test_a_cell_without_counts_stays_zero() -> None:
    zero = torch.zeros(1, 5)
    assert normalise(zero, zero.sum(dim=1)).tolist() == [[0.0] * 5]


def test_hidden_labels_are_not_in_the_minibatch() -> None:
    assert synthetic_cells().without_labels().minibatch(np.arange(2)).label is None
