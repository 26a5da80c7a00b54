"""An .h5ad, a zarr folder and the RNA of an .h5mu are read alike, and so is what else was measured."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from anndata.io import write_elem
from scipy.sparse import csc_matrix, csr_matrix

from sslbench.data import modality
from sslbench.data.opening import CellsFile, open_cells_file
from sslbench.errors import DataError, RefusedError
from tests.factories import synthetic_adata

N = 40
NAMES = ["CD3", "CD4", "CD8"]


def protein() -> np.ndarray:
    """(n_cells, 3) float64; every fifth cell was not measured."""
    values = np.random.default_rng(0).integers(0, 50, (N, 3)).astype(float)
    values[::5] = np.nan
    return values


def cells() -> anndata.AnnData:
    adata = synthetic_adata(n_cells=N)
    adata.obsm["dense"] = protein()
    adata.obsm["sparse"] = csr_matrix(np.nan_to_num(protein()))
    adata.obsm["by column"] = csc_matrix(np.nan_to_num(protein()))
    adata.obsm["table"] = pd.DataFrame(protein(), index=adata.obs_names, columns=NAMES)
    adata.uns["names"] = np.array(NAMES)
    adata.uns["two names"] = np.array(NAMES[:2])
    return adata


def h5ad(path: Path) -> None:
    cells().write_h5ad(path)


def zarr_folder(path: Path) -> None:
    cells().write_zarr(path)


def h5mu(path: Path, rna: str = "rna") -> None:
    """The RNA and, of every second cell in another order, proteins; labels in the common table alone."""
    adata = cells()
    common = adata.obs.copy()
    del adata.obs["cell_type"]
    proteins = anndata.AnnData(protein()[::2], var=pd.DataFrame(index=NAMES))
    proteins.obs_names = adata.obs_names[::2]
    proteins = proteins[np.random.default_rng(1).permutation(proteins.n_obs)].copy()
    with h5py.File(path, "w") as file:
        file.create_group("mod")
        write_elem(file["mod"], rna, adata)
        write_elem(file["mod"], "prot", proteins)
        write_elem(file, "obs", common[::-1])


WRITERS: dict[str, Callable[[Path], None]] = {"h5ad": h5ad, "zarr": zarr_folder, "h5mu": h5mu}


@pytest.fixture(params=WRITERS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"cells.{request.param}"
    WRITERS[request.param](path)
    return path


def values(file: CellsFile, key: str, names: str | None = None) -> np.ndarray:
    """(n_cells, n_features) with NaN where not measured."""
    features, blocks = file.modality(key, names)
    parts = []
    for first_row, rows, measured in blocks:
        assert rows.dtype == np.float32
        assert first_row == sum(map(len, parts))
        part = rows.toarray()
        assert not part[~measured].any()
        part[~measured] = np.nan
        parts.append(part)
    assert parts[0].shape[1] == len(features)
    return np.concatenate(parts)


def test_cells_genes_and_counts_are_those_that_were_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adata = cells()
    monkeypatch.setattr("sslbench.data.stored_cells.BLOCK_VALUES", 7 * adata.n_vars)
    with open_cells_file(path) as file:
        assert file.slots() == ["X"]
        assert file.shape("X") == adata.shape
        assert file.var_names("X") == adata.var_names.tolist()
        assert file.dtype("X") == np.float32
        obs = file.obs()
        assert obs.index.tolist() == adata.obs_names.tolist()
        assert obs["cell_type"].astype(str).tolist() == adata.obs["cell_type"].tolist()
        blocks = list(file.blocks("X"))
    assert [first for first, _ in blocks] == list(range(0, N, 7))
    read = np.concatenate([rows.toarray() for _, rows in blocks])
    np.testing.assert_array_equal(read, adata.X.toarray())


def test_a_second_measurement_is_read_in_blocks_whatever_its_form(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modality, "BLOCK_VALUES", 3 * 7)
    with open_cells_file(path) as file:
        np.testing.assert_array_equal(values(file, "dense"), protein())
        np.testing.assert_array_equal(values(file, "table"), protein())
        for key in ("sparse", "by column"):
            np.testing.assert_array_equal(values(file, key), np.nan_to_num(protein()))


def test_features_are_named_by_uns_by_columns_or_numbered(path: Path) -> None:
    with open_cells_file(path) as file:
        assert file.modality("dense", "names")[0] == tuple(NAMES)
        assert file.modality("table", None)[0] == tuple(NAMES)
        assert file.modality("sparse", None)[0] == ("0", "1", "2")


@pytest.mark.parametrize(
    ("key", "names", "code", "says"),
    [
        ("protien", None, "D181", "protien"),
        ("dense", "nmaes", "D183", "did you mean 'names'"),
        ("dense", "two names", "D183", "2 names for 3 features"),
    ],
)
def test_what_is_not_there_or_does_not_fit_is_said(
    path: Path, key: str, names: str | None, code: str, says: str
) -> None:
    with open_cells_file(path) as file, pytest.raises(DataError, match=says) as error:
        file.modality(key, names)
    assert error.value.code == code


def test_a_cell_that_is_measured_in_part_is_refused(tmp_path: Path) -> None:
    adata = cells()
    adata.obsm["dense"][3, 1] = np.nan
    adata.write_h5ad(tmp_path / "cells.h5ad")
    with (
        open_cells_file(tmp_path / "cells.h5ad") as file,
        pytest.raises(DataError, match="1 of 40 cells lack some values: cell 3") as error,
    ):
        values(file, "dense")
    assert error.value.code == "D182"


def test_another_modality_is_brought_into_the_order_of_the_rna_by_cell_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modality, "BLOCK_VALUES", 3 * 7)
    h5mu(tmp_path / "cells.h5mu")
    wanted = protein()
    wanted[1::2] = np.nan
    with open_cells_file(tmp_path / "cells.h5mu") as file:
        assert file.modality("prot", None)[0] == tuple(NAMES)
        np.testing.assert_array_equal(values(file, "prot"), wanted)


@pytest.mark.parametrize("rna", ["GEX", "Gene Expression", "other"])
def test_the_rna_is_known_by_its_name_or_by_its_features(tmp_path: Path, rna: str) -> None:
    path = tmp_path / "cells.h5mu"
    h5mu(path, rna=rna)
    if rna == "other":
        with h5py.File(path, "a") as file:
            for name, kind in ((rna, "Gene Expression"), ("prot", "Antibody Capture")):
                var = file[f"mod/{name}/var"]
                n = var["_index"].shape[0]
                write_elem(var, "feature_types", np.array([kind] * n, dtype=object))
    with open_cells_file(path) as opened:
        assert opened.shape("X") == (N, 60)


def test_chunks_that_are_missing_from_a_zarr_folder_are_not_read_as_zeros(tmp_path: Path) -> None:
    path = tmp_path / "cells.zarr"
    cells().write_zarr(path)
    chunk = next(f for f in (path / "X" / "data").rglob("*") if f.name in ("0", "c"))
    chunk.rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="0 of 1 chunks") as error, open_cells_file(path):
        pass
    assert error.value.code == "D001"


def test_a_damaged_chunk_or_description_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "cells.zarr"
    cells().write_zarr(path)
    chunk = next(f for f in (path / "X" / "data").rglob("0") if f.is_file())
    chunk.write_bytes(b"\xff" * chunk.stat().st_size)
    with open_cells_file(path) as file, pytest.raises(DataError, match="slot X") as error:
        list(file.blocks("X"))
    assert error.value.code == "D002"


Described = dict[str, Any]


def in_its_array(description: Described, codec: Described) -> None:
    description["filters"] = [codec]


def as_its_compressor(description: Described, codec: Described) -> None:
    description["compressor"] = codec


@pytest.mark.parametrize("put", [in_its_array, as_its_compressor])
@pytest.mark.parametrize("consolidated", [True, False])
def test_an_array_of_pickles_is_refused_before_anything_is_read(
    consolidated: bool, put: Callable[[Described, Described], None], tmp_path: Path
) -> None:
    path, ran = tmp_path / "cells.zarr", tmp_path / "ran"
    with anndata.settings.override(zarr_write_format=2):
        cells().write_zarr(path)
    chunk = path / "obs" / "donor" / "codes" / "0"
    chunk.write_bytes(pickle.dumps(Evil(ran)))
    described = path / (".zmetadata" if consolidated else "obs/donor/codes/.zarray")
    whole = json.loads(described.read_text())
    array = whole["metadata"]["obs/donor/codes/.zarray"] if consolidated else whole
    put(array, {"id": "pickle", "protocol": 5})
    described.write_text(json.dumps(whole))
    if not consolidated:
        (path / ".zmetadata").unlink()
    with pytest.raises(RefusedError, match="pickles") as error, open_cells_file(path) as file:
        file.obs()
    assert error.value.code == "R012"
    assert not ran.exists()


def test_a_codec_of_pickles_of_format_3_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cells.zarr"
    with anndata.settings.override(zarr_write_format=3):
        cells().write_zarr(path)
    described = path / "X" / "data" / "zarr.json"
    whole = json.loads(described.read_text())
    whole["codecs"].append({"name": "numcodecs.pickle", "configuration": {}})
    described.write_text(json.dumps(whole))
    with pytest.raises(RefusedError, match="pickles"), open_cells_file(path):
        pass


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Path]]:
        return Path.touch, (self.file,)


def test_an_h5mu_begins_with_a_block_of_text(tmp_path: Path) -> None:
    """The package mudata writes its name into the first 512 bytes, and HDF5 behind them."""
    path = tmp_path / "cells.h5mu"
    h5mu(path)
    with path.open("rb") as file:
        whole = file.read()
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_group("mod")
        write_elem(file["mod"], "rna", cells())
    with path.open("r+b") as file:
        file.write(b"MuData (format-version=0.1.0;creator=muon;creator-version=0.3)")
    assert not path.read_bytes().startswith(whole[:8])
    with open_cells_file(path) as opened:
        assert opened.shape("X") == (N, 60)
