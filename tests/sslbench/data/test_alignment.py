"""Rows of one list of genes as rows of another."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from sslbench.data.alignment import aligned, columns_of


@given(st.permutations(range(7)), st.lists(st.integers(0, 9), min_size=3, max_size=9, unique=True))
def test_a_gene_is_found_by_its_name_wherever_it_stands(
    order: list[int], wanted: list[int]
) -> None:
    counts = np.random.default_rng(0).integers(0, 3, (4, 7)).astype(np.float32)
    source, genes = [f"G{i}" for i in order], [f"G{i}" for i in wanted]
    rows = aligned(csr_matrix(counts[:, order]), columns_of(genes, source=source))
    expected = np.concatenate([counts, np.zeros((4, 3))], axis=1)[:, wanted]  # genes 7, 8, 9: none
    np.testing.assert_array_equal(rows.toarray(), expected)


def test_columns_ascend_after_genes_have_changed_places() -> None:
    rows = csr_matrix(np.arange(1, 13, dtype=np.float32).reshape(3, 4))
    moved = aligned(rows, np.array([3, 1, 0, 2]))
    assert moved.indices.tolist() == [0, 1, 2, 3] * 3
    assert moved.data[:4].tolist() == [4, 2, 1, 3]


def test_rows_whose_genes_stay_are_not_copied() -> None:
    rows = csr_matrix(np.eye(3, dtype=np.float32))
    assert aligned(rows, np.arange(3)) is rows
