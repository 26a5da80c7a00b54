from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.sparse import csc_matrix, csr_array, csr_matrix

from sslbench.data import progress
from sslbench.data.opening import open_cells_file
from sslbench.data.stored_matrix import as_csr
from sslbench.errors import DataError
from tests.factories import synthetic_adata


def cells_file(folder: Path) -> Path:
    path = folder / "cells.h5ad"
    synthetic_adata().write_h5ad(path)
    return path


def read(path: Path) -> None:
    with open_cells_file(path) as file:
        file.obs()
        list(file.blocks("X"))


def refused(path: Path) -> DataError:
    with pytest.raises(DataError) as error:
        read(path)
    assert str(path) in str(error.value)
    return error.value


def test_a_truncated_file_says_how_much_is_missing(tmp_path: Path) -> None:
    path = cells_file(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    error = refused(path)
    assert error.code == "D001"
    assert "50% missing" in str(error)


def test_a_damaged_block_is_told_with_its_slot(tmp_path: Path) -> None:
    path = tmp_path / "cells.h5ad"
    synthetic_adata().write_h5ad(path, compression="gzip")
    with h5py.File(path) as file:
        chunk = file["X/data"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xff" * chunk.size
    path.write_bytes(bytes(content))
    error = refused(path)
    assert error.code == "D002"
    assert "slot X" in str(error)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "an empty file"),
        (b"gene,cell1\nLYZ,3\n", "text"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "gzip"),
        (b"PK\x03\x04aaaaaaa", "zip"),
    ],
)
def test_a_file_that_is_not_hdf5_is_named_for_what_it_is(
    tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "cells.h5ad"
    path.write_bytes(content)
    error = refused(path)
    assert error.code == "D003"
    assert says in str(error)


def test_missing_files_folders_and_urls_have_errors_of_their_own(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.h5ad").code == "D005"
    assert refused(tmp_path).code == "D006"
    url = Path("https://example.org/cells.h5ad")
    assert refused(url).code == "D007"


def test_hdf5_that_is_no_anndata_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cells.h5ad"
    with h5py.File(path, "w") as file:
        file["matrix"] = np.zeros(3)
    assert refused(path).code == "D008"


def test_an_encoding_from_the_future_names_the_remedy(tmp_path: Path) -> None:
    path = cells_file(tmp_path)
    with h5py.File(path, "a") as file:
        file["obs"].attrs["encoding-version"] = "9.9.0"
    error = refused(path)
    assert error.code == "D004"
    assert "upgrade anndata" in str(error)


FORMS: dict[str, Callable[[csr_matrix], Any]] = {
    "csr": lambda x: x,
    "csc": csc_matrix,
    "csr_array": csr_array,
    "dense": lambda x: x.toarray(),
    "float16": lambda x: x.toarray().astype(np.float16),
    "int64": lambda x: x.astype(np.int64),
    "uint8": lambda x: x.astype(np.uint8),
    "float64": lambda x: x.astype(np.float64),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_matrix_is_read_alike_block_by_block(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    adata = synthetic_adata(depth=100)
    wanted = adata.X.toarray()
    adata.X = FORMS[form](adata.X)
    path = tmp_path / "cells.h5ad"
    adata.write_h5ad(path)
    monkeypatch.setattr("sslbench.data.stored_cells.BLOCK_VALUES", 7 * adata.n_vars)
    with open_cells_file(path) as file:
        blocks = list(file.blocks("X"))
    assert [start for start, _ in blocks] == list(range(0, adata.n_obs, 7))
    read = np.concatenate([rows.toarray() for _, rows in blocks])
    np.testing.assert_array_equal(read, wanted)


def test_stored_zeros_and_unsorted_columns_are_put_right() -> None:
    data, indices, ends = np.array([3.0, 0.0, 2.0]), np.array([2, 1, 0]), np.array([0, 3])
    rows = as_csr(csr_matrix((data, indices, ends), shape=(1, 3)))
    assert rows.indices.tolist() == [0, 2]
    assert rows.data.tolist() == [2.0, 3.0]


def test_the_users_matrix_is_left_as_it_is() -> None:
    given = csr_matrix((np.array([0.0, 1.0]), np.array([0, 1]), np.array([0, 2])), shape=(1, 2))
    as_csr(given)
    assert given.nnz == 2


def test_a_pass_that_takes_long_tells_how_many_cells_are_done_and_a_short_one_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    blocks = [(0, csr_matrix((3_000, 5))), (3_000, csr_matrix((1_000, 5)))]
    caplog.set_level("INFO", logger="sslbench")
    assert list(progress.reporting(iter(blocks), what="checked", n_cells=4_000)) == blocks
    assert caplog.messages == []
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    list(progress.reporting(iter(blocks), what="checked", n_cells=4_000))
    assert caplog.messages == ["checked: 3,000 of 4,000 cells", "checked: 4,000 of 4,000 cells"]
