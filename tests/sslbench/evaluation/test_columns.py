"""Tables that make their blocks when asked are the dense arrays that they stand for."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from sslbench.evaluation._columns import (
    JoinedColumns,
    LinearColumns,
    SparseColumns,
    feature_blocks,
)

BLOCK = (slice(1, 4), slice(2, 5))


@pytest.fixture
def counts() -> np.ndarray:
    return np.random.default_rng(0).poisson(1.0, (6, 5)).astype(float)


def test_linear_columns_are_a_matrix_product():
    random = np.random.default_rng(0)
    inputs, weight, bias = random.normal(size=(6, 3)), random.normal(size=(3, 5)), np.arange(5.0)
    table = LinearColumns(inputs=inputs, weight=weight, bias=bias)
    dense = inputs @ weight + bias
    assert table.shape == (6, 5)
    np.testing.assert_allclose(table[BLOCK], dense[BLOCK])
    np.testing.assert_allclose(table.rows(np.array([4, 0])), dense[[4, 0]])


def test_sparse_columns_are_moved_by_cell_and_standardised_by_feature(counts):
    offset, centre, spread = np.arange(6.0)[:, None], np.arange(5.0), np.arange(1.0, 6.0)
    plain = SparseColumns.of(csr_matrix(counts), offset=offset)
    table = SparseColumns(
        by_cell=plain.by_cell,
        by_feature=plain.by_feature,
        offset=offset,
        centre=centre,
        spread=spread,
    )
    dense = (counts + offset - centre) / spread
    np.testing.assert_allclose(table[BLOCK], dense[BLOCK])
    np.testing.assert_allclose(table.rows(np.array([4, 0])), dense[[4, 0]])
    np.testing.assert_allclose(table.at(np.array([5, 2, 3]))[:, 1:3], dense[[5, 2, 3], 1:3])
    np.testing.assert_allclose(table.restored(table)[BLOCK], (counts + offset)[BLOCK])


def test_moments_are_those_of_the_moved_values(counts):
    offset = np.linspace(-1, 2, 6)[:, None]
    mean, spread = SparseColumns.of(csr_matrix(counts), offset=offset).moments()
    np.testing.assert_allclose(mean, (counts + offset).mean(axis=0))
    np.testing.assert_allclose(spread, (counts + offset).std(axis=0))


def test_joined_tables_are_one_in_the_order_of_their_positions(counts):
    parts = [(np.array([1, 3, 4]), counts[[1, 3, 4]]), (np.array([0, 2, 5]), counts[[0, 2, 5]])]
    table = JoinedColumns(parts=parts)
    assert table.shape == (6, 5)
    np.testing.assert_array_equal(table[BLOCK], counts[BLOCK])


def test_blocks_of_features_cover_all_of_them_once(counts):
    blocks = feature_blocks(counts, most_values=14)
    assert [counts[:, block].shape[1] for block in blocks] == [2, 2, 1]
    assert feature_blocks(counts) == [slice(0, 5)]
