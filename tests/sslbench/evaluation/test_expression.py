"""Parts of many cells are always the same ones, and blocks of rows are the rows."""

import numpy as np
import pytest

from sslbench.evaluation import _expression
from sslbench.evaluation._expression import cells_of, fixed_part, row_blocks, sparse_expression
from sslbench.evaluation.base import Embedded
from tests.factories import synthetic_cells


def test_a_part_is_of_the_size_asked_for_ascending_and_the_same_at_every_call():
    part = fixed_part(1000, about=50)
    assert len(set(part.tolist())) == 50
    assert (np.diff(part) > 0).all()
    np.testing.assert_array_equal(part, fixed_part(1000, about=50))
    np.testing.assert_array_equal(fixed_part(40, about=50), np.arange(40))


def test_sparse_expression_is_the_expression_block_after_block(monkeypatch):
    cells, index = synthetic_cells(n_cells=40), np.array([7, 3, 39, 0])
    monkeypatch.setattr(_expression, "BLOCK_VALUES", 2 * cells.n_genes)
    assert [len(block) for block in row_blocks(index, n_features=cells.n_genes)] == [2, 2]
    found = sparse_expression(cells, index).toarray()
    np.testing.assert_array_equal(found, cells.minibatch(index).x.numpy())


def test_an_embedding_without_its_cells_is_refused_by_the_name_of_the_task():
    alone = Embedded(z=np.zeros((2, 2)), label=np.zeros(2, dtype=int), label_names=("a",))
    with pytest.raises(ValueError, match="reconstruction needs the cells"):
        cells_of(alone, task="reconstruction")
