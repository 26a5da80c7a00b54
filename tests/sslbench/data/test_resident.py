"""What a GPU does is done here on the CPU, by the same code, and compared with packed minibatches."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sslbench.data.cells import CountsMatrix
from sslbench.data.resident import on_device, resident
from sslbench.data.store import open_cells
from tests.factories import synthetic_cells, synthetic_store


def same(first, second):
    assert torch.equal(first.counts, second.counts)
    assert torch.equal(first.library_size, second.library_size)
    assert torch.equal(first.row_ids, second.row_ids)
    torch.testing.assert_close(first.x, second.x, rtol=1e-6, atol=0)


def test_a_minibatch_is_that_of_the_store(tmp_path):
    train = open_cells(synthetic_store(tmp_path), "train")
    assert train.counts.values.dtype == np.uint16
    on = on_device(train, device="cpu")
    for index in ([3, 0, 7, 3], np.arange(len(train)), [len(train) - 1]):
        minibatch, expected = (c.minibatch(np.array(index), device="cpu") for c in (on, train))
        same(minibatch, expected)
        assert torch.equal(minibatch.label, expected.label)
        assert minibatch.raw.is_contiguous()


def test_cells_without_labels_stay_so():
    on = on_device(synthetic_cells().without_labels(), device="cpu")
    assert on.minibatch(np.arange(3), device="cpu").label is None


@pytest.mark.parametrize("n_genes, largest", [(60, 65_535), (60, 70_000), (70_000, 40_000)])
def test_the_whole_range_of_genes_and_counts_survives(n_genes, largest):
    """Genes and counts beyond 32,767 have the sign bit of int16 set; beyond 65,535 they are wider types."""
    rows = np.zeros((3, n_genes), dtype=np.float32)
    rows[0, [0, n_genes - 1]] = 1, largest
    rows[2, n_genes // 2 + 1] = 33_000
    matrix = narrowed(rows)
    cells = replace(synthetic_cells(n_cells=4).at(np.arange(3)), counts=matrix, label=None)
    cells = replace(cells, genes=tuple(f"g{i}" for i in range(n_genes)))
    minibatch = on_device(cells, device="cpu").minibatch(np.array([2, 1, 0]), device="cpu")
    np.testing.assert_array_equal(minibatch.counts.numpy(), rows[[2, 1, 0]])


def narrowed(rows):
    """The rows as a store holds them: uint16 wherever that is enough."""
    from scipy.sparse import csr_matrix

    packed = csr_matrix(rows)
    small = packed.data.max() <= np.iinfo(np.uint16).max
    few = rows.shape[1] <= np.iinfo(np.uint16).max + 1
    return CountsMatrix(
        indptr=packed.indptr.astype(np.int64),
        indices=packed.indices.astype(np.uint16 if few else np.int32),
        values=packed.data.astype(np.uint16 if small else np.float32),
        n_genes=rows.shape[1],
    )


def test_on_a_cpu_cells_stay_in_their_store():
    assert resident(synthetic_cells(), device="cpu") is None
