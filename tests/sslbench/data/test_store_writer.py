from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from sslbench.data.store_writer import ArrayWriter, StoreWriter


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.int64, np.float32])
def test_an_array_written_in_parts_is_read_as_one(tmp_path: Path, dtype: type) -> None:
    writer = ArrayWriter(tmp_path / "a.npy", np.dtype(dtype))
    writer.append(np.arange(5))
    writer.append(np.arange(3))
    writer.close()
    read = np.load(tmp_path / "a.npy", mmap_mode="r", allow_pickle=False)
    assert read.dtype == dtype
    assert read.tolist() == [0, 1, 2, 3, 4, 0, 1, 2]


@pytest.mark.parametrize(("n_genes", "dtype"), [(2**16, np.uint16), (2**16 + 1, np.int32)])
def test_gene_indices_are_as_small_as_the_panel_allows(
    tmp_path: Path, n_genes: int, dtype: type
) -> None:
    writer = StoreWriter(tmp_path, n_genes=n_genes, largest_count=1)
    last = csr_matrix((np.array([1.0]), ([0], [n_genes - 1])), shape=(1, n_genes))
    writer.append(last)
    genes = tuple(f"G{i}" for i in range(n_genes))
    writer.finish(obs=pd.DataFrame({"cell": ["a"]}), genes=genes)
    indices = np.load(tmp_path / "indices.npy")
    assert indices.dtype == dtype
    assert indices.tolist() == [n_genes - 1]


def test_a_description_of_other_size_than_the_rows_is_refused(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path, n_genes=2, largest_count=1)
    writer.append(csr_matrix(np.ones((3, 2))))
    with pytest.raises(ValueError, match="3 rows x 2 genes"):
        writer.finish(obs=pd.DataFrame({"cell": ["a"]}), genes=("G", "H"))


def test_rows_of_other_width_are_refused(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path, n_genes=2, largest_count=1)
    with pytest.raises(ValueError, match="2 genes expected, got 3"):
        writer.append(csr_matrix(np.ones((1, 3))))
