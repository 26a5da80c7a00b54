"""A copy with more in it: of every format, whole or not at all, and never over something else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pytest
import zarr
from anndata.io import read_elem, write_elem

import sslbench
from sslbench.cli.annotate import annotate_file
from sslbench.cli.copies import refuse_occupied, write_copy
from sslbench.cli.embed import embed_file
from sslbench.data.source_files import content_sha256
from sslbench.errors import DataError, RefusedError
from tests.factories import synthetic_adata


def zarr_of(zarr_format: int) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with anndata.settings.override(zarr_write_format=zarr_format):
            synthetic_adata().write_zarr(path)

    return write


def h5mu(path: Path) -> None:
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_group("mod")
        write_elem(file["mod"], "rna", synthetic_adata())
        write_elem(file["mod"], "prot", synthetic_adata()[:, :3].copy())
        write_elem(file, "obs", synthetic_adata().obs[["batch"]])
    with path.open("r+b") as start:
        start.write(b"MuData (format-version=0.1.0)")


FORMATS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "h5ad": ("h5ad", lambda path: synthetic_adata().write_h5ad(path)),
    "zarr of format 2": ("zarr", zarr_of(2)),
    "zarr of format 3": ("zarr", zarr_of(3)),
    "h5mu": ("h5mu", h5mu),
}


@pytest.fixture(params=FORMATS)
def cells(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    ending, write = FORMATS[request.param]
    path = tmp_path / f"my.{ending}"
    write(path)
    return path


@pytest.fixture
def model(classifying_model: Path) -> Path:
    return classifying_model


OPTIONS: dict[str, Any] = {"counts": None, "device": "cpu", "force": False}


def rna_of(path: Path) -> anndata.AnnData:
    if path.suffix == ".zarr":
        return anndata.read_zarr(path)
    if path.suffix == ".h5ad":
        return anndata.read_h5ad(path)
    assert path.read_bytes().startswith(b"MuData")
    with h5py.File(path) as file:
        assert set(file) == {"mod", "obs"}
        assert set(file["mod"]) == {"rna", "prot"}
        rna: anndata.AnnData = read_elem(file["mod/rna"])
        return rna


def test_an_embedding_joins_cells_of_every_format_and_the_input_stays(
    cells: Path, model: Path, tmp_path: Path
) -> None:
    before, out = content_sha256(cells), tmp_path / "new" / f"out{cells.suffix}"
    embed_file(cells, model=model, out=out, **OPTIONS)
    assert content_sha256(cells) == before
    found, original = rna_of(out), synthetic_adata()
    sslbench.embed(original, model=model)
    np.testing.assert_allclose(found.obsm["X_sslbench"], original.obsm["X_sslbench"], rtol=1e-5)
    assert found.obsm["X_sslbench"].dtype == np.float32
    assert dict(found.uns["sslbench"]) == original.uns["sslbench"]
    assert (found.X != original.X).nnz == 0
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_labels_join_cells_of_every_format(cells: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / f"out{cells.suffix}"
    annotate_file(cells, model=model, out=out, **OPTIONS)
    found, original = rna_of(out), synthetic_adata()
    sslbench.annotate(original, model=model)
    columns = ["sslbench_label", "sslbench_prob"]
    assert list(found.obs) == list(original.obs)
    assert (found.obs[columns[0]].astype(str) == original.obs[columns[0]].astype(str)).all()
    np.testing.assert_allclose(found.obs[columns[1]], original.obs[columns[1]], rtol=1e-5)
    assert dict(found.uns["sslbench_annotation"]) == original.uns["sslbench_annotation"]


def test_a_consolidated_zarr_folder_stays_consolidated(model: Path, tmp_path: Path) -> None:
    zarr_of(2)(tmp_path / "my.zarr")
    embed_file(tmp_path / "my.zarr", model=model, out=tmp_path / "out.zarr", **OPTIONS)
    root = zarr.open_group(tmp_path / "out.zarr", mode="r")
    assert root.metadata.consolidated_metadata is not None
    assert "X_sslbench" in root["obsm"]


def test_what_fails_midway_leaves_nothing(cells: Path, tmp_path: Path) -> None:
    def fail(_: Any) -> None:
        raise DataError("no")

    out = tmp_path / "new" / f"out{cells.suffix}"
    with pytest.raises(DataError):
        write_copy(cells, out, within="", add=fail)
    assert list(out.parent.iterdir()) == []


def test_what_a_killed_copy_left_is_no_obstacle(cells: Path, tmp_path: Path) -> None:
    out = tmp_path / f"out{cells.suffix}"
    left = tmp_path / f".{out.name}.tmp"
    left.mkdir() if cells.is_dir() else left.write_text("half")
    write_copy(cells, out, within="", add=lambda _: None)
    assert out.exists()
    assert not left.exists()


def test_a_copy_is_replaced_only_by_force(cells: Path, tmp_path: Path) -> None:
    out = tmp_path / f"out{cells.suffix}"
    write_copy(cells, out, within="", add=lambda _: None)
    with pytest.raises(RefusedError, match="--force"):
        refuse_occupied(out, file=cells, force=False)
    refuse_occupied(out, file=cells, force=True)
    write_copy(cells, out, within="", add=lambda root: root.attrs.__setitem__("new", 1))
    opened = zarr.open_group(out, mode="r") if out.is_dir() else h5py.File(out)
    assert opened.attrs["new"] == 1


def test_a_copy_has_the_format_of_its_input(cells: Path, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"ends in '\." + cells.suffix[1:]):
        refuse_occupied(tmp_path / "out.other", file=cells, force=True)


def test_nothing_else_is_ever_replaced_even_by_force(tmp_path: Path) -> None:
    zarr_of(3)(tmp_path / "my.zarr")
    (tmp_path / "precious.zarr").mkdir()
    (tmp_path / "precious.zarr" / "thesis.txt").write_text("…")
    for out in ("precious.zarr", "my.zarr", "my.zarr/inside.zarr", "../" + tmp_path.name):
        with pytest.raises(RefusedError):
            refuse_occupied(tmp_path / out, file=tmp_path / "my.zarr", force=True)
    synthetic_adata().write_h5ad(tmp_path / "my.h5ad")
    (tmp_path / "folder.h5ad").mkdir()
    with pytest.raises(RefusedError):
        refuse_occupied(tmp_path / "folder.h5ad", file=tmp_path / "my.h5ad", force=True)
