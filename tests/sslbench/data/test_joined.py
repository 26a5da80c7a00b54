"""Several files are one data set: shared genes, all cells, and errors that name the file at fault."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pytest
from scipy.sparse import csr_matrix

from sslbench.data.counts import check_block, choose_slot
from sslbench.data.opening import open_cells_files
from sslbench.data.stored_cells import StoredCells
from sslbench.errors import DataError
from tests.factories import synthetic_adata

SYMBOLS = [f"GEN{i}A" for i in range(60)]


def cells(seed: int) -> anndata.AnnData:
    adata = synthetic_adata(n_cells=30, seed=seed)
    adata.var_names = SYMBOLS
    adata.obs_names = [f"{name}-{seed}" for name in adata.obs_names]
    return adata


def written(folder: Path, *tables: anndata.AnnData) -> list[Path]:
    paths = [folder / f"{letter}.h5ad" for letter in "abc"[: len(tables)]]
    for path, adata in zip(paths, tables, strict=True):
        adata.write_h5ad(path)
    return paths


def test_genes_are_joined_by_name_and_cells_follow_file_by_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = cells(0)[:, :50].copy(), cells(1)[:, ::-1][:, :50].copy()
    shared = SYMBOLS[10:50]
    monkeypatch.setattr("sslbench.data.stored_cells.BLOCK_VALUES", 7 * 50)
    caplog.set_level("INFO", logger="sslbench")
    with open_cells_files(written(tmp_path, first, second)) as file:
        assert file.var_names("X") == shared == file.var("X").index.tolist()
        assert file.shape("X") == (60, 40)
        blocks = list(file.blocks("X"))
        assert file.obs()["cell_type"].tolist() == [
            *first.obs["cell_type"],
            *second.obs["cell_type"],
        ]
        assert file.obs().index.tolist() == [*first.obs_names, *second.obs_names]
    assert [row for row, _ in blocks] == [*range(0, 30, 7), *range(30, 60, 7)]
    assert all(rows.has_sorted_indices for _, rows in blocks)
    read = np.concatenate([rows.toarray() for _, rows in blocks])
    wanted = [part[:, shared].X.toarray() for part in (first, second)]
    np.testing.assert_array_equal(read, np.concatenate(wanted))
    assert "genes kept: 40 of 50 of a.h5ad; 40 of 50 of b.h5ad" in caplog.text


def test_names_of_cells_that_clash_are_given_their_file(tmp_path: Path) -> None:
    with open_cells_files(written(tmp_path, cells(0), cells(0))) as file:
        names = file.obs().index
    assert names.is_unique
    assert names[0] == "a:cell0-0"
    assert names[30] == "b:cell0-0"


def test_files_of_the_same_name_are_numbered(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "cells.h5ad" for folder in "xy"]
    for path in paths:
        path.parent.mkdir()
        cells(0).write_h5ad(path)
    with open_cells_files(paths) as file:
        assert file.obs().index[[0, 30]].tolist() == ["cells-1:cell0-0", "cells-2:cell0-0"]


def test_a_file_is_not_joined_with_itself(tmp_path: Path) -> None:
    (path,) = written(tmp_path, cells(0))
    (tmp_path / "link.h5ad").symlink_to(path)
    with (
        pytest.raises(DataError, match="named twice") as error,
        open_cells_files([path, tmp_path / "link.h5ad"]),
    ):
        pass
    assert error.value.code == "D138"


def test_each_file_is_read_from_its_own_slot(tmp_path: Path) -> None:
    first, second = cells(0), cells(1)
    wanted = np.concatenate([first.X.toarray(), second.X.toarray()])
    second.layers["counts"] = second.X.copy()
    second.X = csr_matrix(np.log1p(second.X.toarray() * 0.37))
    with open_cells_files(written(tmp_path, first, second)) as file:
        slot = choose_slot(file).slot
        read = np.concatenate([rows.toarray() for _, rows in file.blocks(slot)])
        for first_row, rows in file.blocks(slot):
            check_block(file, slot, first_row=first_row, rows=rows)
    np.testing.assert_array_equal(read, wanted)


def checked(file: StoredCells) -> None:
    for first_row, rows in file.blocks("X"):
        check_block(file, "X", first_row=first_row, rows=rows)


def test_a_wrong_value_is_told_with_the_file_and_the_cell_it_is_in(tmp_path: Path) -> None:
    first, second = cells(0), cells(1)
    second.X[3, 4] = 2.5
    second.X[3, 5] = -1
    told = r"b\.h5ad, slot X .*\n.* cell cell3-1, gene GEN5A"
    with (
        open_cells_files(written(tmp_path, first, second)) as file,
        pytest.raises(DataError, match=told),
    ):
        checked(file)


def test_ids_of_one_file_become_symbols_when_another_has_symbols(tmp_path: Path) -> None:
    second = cells(1)
    second.var["gene_name"] = SYMBOLS
    second.var_names = [f"ENSG{i:011d}.2" for i in range(60)]
    with open_cells_files(written(tmp_path, cells(0), second)) as file:
        assert file.var_names("X") == SYMBOLS


def test_files_of_two_species_and_files_with_few_shared_genes_are_refused(tmp_path: Path) -> None:
    mouse, other = cells(1), cells(2)
    mouse.var_names = [name.capitalize() for name in SYMBOLS]
    other.var_names = [*SYMBOLS[:29], *(f"OTHER{i}B" for i in range(31))]
    for second, code in ((mouse, "D133"), (other, "D137")):
        files = written(tmp_path, cells(0), second)
        with pytest.raises(DataError, match="GEN0A, GEN1A") as error, open_cells_files(files):
            pass
        assert error.value.code == code


def test_a_second_measurement_has_the_features_of_all_and_lacks_the_cells_of_some(
    tmp_path: Path,
) -> None:
    tables = [cells(seed) for seed in range(3)]
    tables[0].obsm["protein"], tables[0].uns["names"] = np.ones((30, 3)), np.array(["x", "y", "z"])
    tables[2].obsm["protein"], tables[2].uns["names"] = np.full((30, 2), 7.0), np.array(["z", "x"])
    tables[2].obsm["protein"][:, 0] = 5
    with open_cells_files(written(tmp_path, *tables)) as file:
        features, blocks = file.modality("protein", "names")
        parts = list(blocks)
        with pytest.raises(DataError, match="'other'"):
            file.modality("other", None)
    assert features == ("x", "z")
    assert [part.first_row for part in parts] == [0, 30, 60]
    assert [bool(part.measured.all()) for part in parts] == [True, False, True]
    assert parts[2].values.toarray()[0].tolist() == [7, 5]
    assert parts[1].values.nnz == 0
