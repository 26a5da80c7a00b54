"""The same counts are the same store, however their file holds them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pytest
from scipy.sparse import csc_matrix, csr_array, csr_matrix

from sslbench.data.store import prepare_store, read_manifest
from tests.sslbench.data.faulty_cells import cells, log_normalised
from tests.sslbench.data.prepared import prepared, spec, written


def unsorted(x: csr_matrix) -> csr_matrix:
    rows = [np.flatnonzero(row)[::-1] for row in x.toarray()]
    values = [row[order] for row, order in zip(x.toarray(), rows, strict=True)]
    parts = (np.concatenate(values), np.concatenate(rows), x.indptr)
    return csr_matrix(parts, shape=x.shape)


def with_zeros(x: csr_matrix) -> csr_matrix:
    x = csr_matrix(x + csr_matrix(np.ones(x.shape)))
    x.data -= 1
    return x


FORMS: dict[str, Callable[[csr_matrix], Any]] = {
    "dense": lambda x: x.toarray(),
    "by column": csc_matrix,
    "int64": lambda x: x.astype(np.int64),
    "float16": lambda x: x.toarray().astype(np.float16),
    "big-endian": lambda x: x.toarray().astype(">f4"),
    "csr_array": csr_array,
    "unsorted indices": unsorted,
    "stored zeros": with_zeros,
}


def small_counts() -> anndata.AnnData:
    adata = cells()
    adata.X.data = np.minimum(adata.X.data, 2_000)
    return adata


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_counts_is_the_same_store(form: str, tmp_path: Path) -> None:
    adata = small_counts()
    wanted = prepared(tmp_path, written(adata, tmp_path))
    adata.X = FORMS[form](adata.X)
    assert prepared(tmp_path, written(adata, tmp_path)) == wanted


def test_truth_values_are_counts_of_one(tmp_path: Path) -> None:
    adata = cells()
    adata.X = (adata.X.toarray() > 20).astype(np.float32)
    wanted = prepared(tmp_path, written(adata, tmp_path))
    adata.X = csr_matrix(adata.X.astype(bool))
    assert prepared(tmp_path, written(adata, tmp_path)) == wanted


def test_a_view_and_an_object_opened_from_disk_are_written_as_what_they_show(
    tmp_path: Path,
) -> None:
    whole = small_counts()
    path = written(whole[::2].copy(), tmp_path)
    wanted = prepared(tmp_path, path)
    whole[::2].write_h5ad(path)
    assert prepared(tmp_path, path) == wanted
    written(whole, tmp_path)
    anndata.read_h5ad(path, backed="r")[::2].to_memory().write_h5ad(path)
    assert prepared(tmp_path, path) == wanted


@pytest.mark.parametrize("chunks", [None, [7, 60]])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_zarr_folder_in_chunks_is_the_same_store(
    tmp_path: Path, zarr_format: int, chunks: list[int] | None
) -> None:
    adata = small_counts()
    wanted = prepared(tmp_path, written(adata, tmp_path))
    folder = tmp_path / "cells.zarr"
    if chunks:
        adata.X = adata.X.toarray()
    with anndata.settings.override(zarr_write_format=zarr_format):
        adata.write_zarr(folder, chunks=chunks)
    assert prepared(tmp_path, folder) == wanted


def test_raw_may_have_other_genes_than_the_rest(tmp_path: Path) -> None:
    adata = small_counts()
    wanted = prepared(tmp_path, written(adata, tmp_path))
    adata.raw = adata.copy()
    adata.X = csr_matrix(log_normalised(adata.X.toarray()))
    path = written(adata[:, 10:30].copy(), tmp_path)
    assert prepared(tmp_path, path) == wanted
    store = prepare_store(spec(path), n_top_genes=None, root=tmp_path)
    assert read_manifest(store).counts_slot == "raw"
    assert read_manifest(store).counts_reason == "whole numbers"


def test_the_habits_of_files_converted_from_r_are_read(tmp_path: Path) -> None:
    """Codes with their levels in `__categories`, the names of cells in `_index`, no version of the root."""
    adata = cells()
    wanted = prepared(tmp_path, written(adata, tmp_path))
    path = written(adata, tmp_path)
    with h5py.File(path, "a") as file:
        obs = file["obs"]
        obs.attrs["encoding-version"] = "0.1.0"
        levels = obs.create_group("__categories")
        for name in ("cell_type", "donor", "batch"):
            codes, words = obs[name]["codes"][:], obs[name]["categories"][:]
            del obs[name]
            levels[name], obs[name] = words, codes
            obs[name].attrs["categories"] = levels[name].ref
        file.attrs.clear()
    assert prepared(tmp_path, path) == wanted
