"""Everything that people's files have been seen to hold gives one clear error, or works: one row a case."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csc_matrix, csr_array, csr_matrix

from sslbench.data.catalogue import DatasetSpec
from sslbench.data.gene_programmes import gene_programmes
from sslbench.data.gmt import read_gmt
from sslbench.data.store import prepare_store, read_manifest
from sslbench.errors import DataError
from sslbench.gene_alignment import align_genes, refuse_low_coverage
from tests.factories import synthetic_cells
from tests.sslbench.data.faulty_cells import cells, log_normalised, one_mutation

MUTATIONS = one_mutation()
KNOWN_CODES = {code for code, _ in MUTATIONS.values() if code} | {"D152", "D154"}


def spec(*files: Path) -> DatasetSpec:
    keys: dict[str, Any] = {"label_key": "cell_type", "donor_key": "donor", "batch_key": "batch"}
    return DatasetSpec(name="case", title="a case", files=files, **keys)


def written(adata: anndata.AnnData, folder: Path, **options: Any) -> Path:
    path = folder / "cells.h5ad"
    adata.write_h5ad(path, **options)
    return path


def refusal(folder: Path, *files: Path) -> DataError:
    """The one error of a data set; nothing of a store may be there afterwards."""
    with pytest.raises(DataError) as error:
        prepare_store(spec(*files), n_top_genes=None, root=folder / "stores")
    assert list((folder / "stores").rglob("*")) == []
    return error.value


def prepared(folder: Path, *files: Path) -> str:
    """The fingerprint of the store: over counts, genes, labels and splits."""
    return read_manifest(prepare_store(spec(*files), n_top_genes=None, root=folder)).fingerprint


def mutated(names: list[str]) -> anndata.AnnData:
    adata = cells()
    for name in names:
        changed = MUTATIONS[name][1](adata)
        adata = adata if changed is None else changed
    return adata


@pytest.mark.parametrize("case", [name for name, (code, _) in MUTATIONS.items() if code])
def test_cells_that_cannot_be_used_give_the_one_error_that_says_why(
    case: str, tmp_path: Path
) -> None:
    error = refusal(tmp_path, written(mutated([case]), tmp_path))
    assert error.code == MUTATIONS[case][0], str(error)
    assert "cells.h5ad" in str(error) or error.code == "D142"
    assert len(str(error).splitlines()) <= 8


@pytest.mark.parametrize("case", [name for name, (code, _) in MUTATIONS.items() if not code])
def test_cells_that_look_odd_but_can_be_used_are_used(case: str, tmp_path: Path) -> None:
    prepared(tmp_path, written(mutated([case]), tmp_path))


def test_what_is_odd_but_legal_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prepared(tmp_path, written(mutated(["labels that are clusters renamed"]), tmp_path))
    assert "obs['cell_type'] is obs['leiden'] renamed" in caplog.text


def test_an_error_of_labels_suggests_the_merge(tmp_path: Path) -> None:
    error = refusal(tmp_path, written(mutated(["labels that differ by case"]), tmp_path))
    assert ".replace({" in str(error.fix)


SETTINGS = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@SETTINGS
@given(st.lists(st.sampled_from(sorted(MUTATIONS)), max_size=3, unique=True))
def test_any_three_faults_together_give_a_store_or_one_known_error(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("cells")
    try:
        path = written(mutated(names), folder)
    except (ValueError, TypeError, KeyError, IndexError):  # faults that exclude each other
        return
    refused = None
    try:
        prepared(folder / "stores", path)
    except DataError as error:
        refused = error
    assert refused is None or refused.code in KNOWN_CODES, str(refused)
    assert refused is None or list((folder / "stores").rglob("*")) == []


def half(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def flipped(path: Path) -> None:
    with h5py.File(path) as file:
        chunk = file["X/data"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xff" * chunk.size
    path.write_bytes(bytes(content))


def changed(change: Callable[[h5py.File], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with h5py.File(path, "a") as file:
            change(file)

    return damage


def set_item(place: str, index: Any, value: Any) -> Callable[[Path], None]:
    return changed(lambda file: file[place].__setitem__(index, value))


def of_another_kind(**groups: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with h5py.File(path, "w") as file:
            for name, member in groups.items():
                file.create_group(name)[member] = np.zeros(3)

    return write


def shape_of_a_terabyte(file: h5py.File) -> None:
    del file["X"]
    file.create_dataset("X", shape=(300_000, 300_000), dtype=np.float32, chunks=(1_000, 1_000))


def obs_of_a_terabyte(file: h5py.File) -> None:
    file["obs"].create_dataset("big", shape=(2**40,), dtype=np.int8, chunks=(2**20,))


DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "half of the file is missing": ("D001", half),
    "flipped bytes in a compressed part": ("D002", flipped),
    "flipped bits in the indices": ("D002", set_item("X/indices", 7, 2**30)),
    "flipped bits in the row ends": ("D002", set_item("X/indptr", 7, -5)),
    "more values than 32 bits can count": ("D002", set_item("X/indptr", slice(50, None), -(2**31))),
    "a column of obs is gone": ("D002", changed(lambda file: file["obs"].pop("donor"))),
    "more cells in X than in obs": (
        "D002",
        changed(lambda file: file["X"].attrs.__setitem__("shape", np.array([10**12, 60]))),
    ),
    "an empty file": ("D003", lambda path: path.write_bytes(b"")),
    "a table of text": ("D003", lambda path: path.write_text("gene,cell1\nLYZ,3\n")),
    "an R object": ("D003", lambda path: path.write_bytes(b"\x1f\x8b\x08" + bytes(9))),
    "a Loom file": ("D003", of_another_kind(matrix="x", row_attrs="Gene", col_attrs="CellID")),
    "a matrix of 10x": ("D003", of_another_kind(matrix="barcodes")),
    "an encoding of a newer anndata": (
        "D004",
        changed(lambda file: file["obs"].attrs.__setitem__("encoding-version", "9.9.0")),
    ),
    "no file": ("D005", Path.unlink),
    "a folder": ("D006", lambda path: (path.unlink(), path.mkdir())),
    "HDF5 of something else": ("D008", of_another_kind(results="p_value")),
    "a slot that states a terabyte": ("D170", changed(shape_of_a_terabyte)),
    "a column that states a terabyte": ("D170", changed(obs_of_a_terabyte)),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_file_that_cannot_be_read_is_told_before_its_cells_are(case: str, tmp_path: Path) -> None:
    path = written(cells(), tmp_path, compression="gzip")
    DAMAGE[case][1](path)
    error = refusal(tmp_path, path)
    assert error.code == DAMAGE[case][0], str(error)
    assert str(path) in str(error)


def test_an_address_on_the_web_is_no_file(tmp_path: Path) -> None:
    assert refusal(tmp_path, Path("https://example.org/cells.h5ad")).code == "D007"


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


def test_labels_of_two_files_that_are_numbers_and_words_are_refused(tmp_path: Path) -> None:
    paths = [tmp_path / "a.h5ad", tmp_path / "b.h5ad"]
    for path, change in zip(paths, (lambda y: y, lambda y: y.str[-1].astype(int)), strict=True):
        adata = cells()
        adata.obs["cell_type"] = change(adata.obs["cell_type"])
        adata.write_h5ad(path)
    error = refusal(tmp_path, *paths)
    assert error.code == "D146"
    assert "number: " in str(error)
    assert "word: " in str(error)


def test_several_modalities_none_of_which_is_the_rna_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "cells.h5mu"
    with h5py.File(path, "w") as file:
        for name in ("one", "two"):
            anndata.io.write_elem(file, f"mod/{name}", cells())
    error = refusal(tmp_path, path)
    assert error.code == "D180"
    assert "one (60 features: G00000, G00001, G00002, …); two (60" in str(error)


def sets(folder: Path, text: str | bytes) -> Path:
    path = folder / "my.gmt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


GMT: dict[str, tuple[str, str | bytes, str]] = {
    "a set without genes": ("G001", "one\tnote\tG1\nnone\tnote\t\t \n", "line 2"),
    "a set that stands twice": ("G002", "one\tn\tG1\n\ntwo\tn\tG2\none\tn\tG3\n", "line 4"),
    "blanks in the place of tabs": ("G004", "one\tnote\tG1\ntwo note G1 G2\n", "line 2"),
    "no text": ("G005", b"\xff\xfeo\x00n\x00e\x00", "UTF-8"),
    "no sets": ("G006", "\n \n", "0 sets"),
    "a hundred thousand sets": (
        "G006",
        "".join(f"set{i}\tn\tG1\n" for i in range(100_000)),
        "100,000 sets",
    ),
}


@pytest.mark.parametrize("case", GMT)
def test_gene_sets_that_cannot_be_used_are_told_with_their_line(case: str, tmp_path: Path) -> None:
    code, text, says = GMT[case]
    with pytest.raises(DataError, match=says) as error:
        read_gmt(sets(tmp_path, text))
    assert error.value.code == code
    assert "my.gmt" in str(error.value)


def test_a_byte_order_mark_and_the_line_ends_of_windows_are_no_part_of_names(
    tmp_path: Path,
) -> None:
    text = b"\xef\xbb\xbfone\tnote\tG1\tG2\r\ntwo\t\tG3\x0b\r\n"
    assert read_gmt(sets(tmp_path, text)) == {"one": ("G1", "G2"), "two": ("G3",)}


def test_gene_sets_without_a_gene_of_the_data_are_refused(tmp_path: Path) -> None:
    path = sets(tmp_path, "one\tnote\tLYZ\tCD14\n")
    with pytest.raises(DataError) as error:
        gene_programmes(str(path), train=synthetic_cells(), min_genes=1)
    assert error.value.code == "G003"


MODEL_GENES = tuple(f"GEN{i}A" for i in range(40))
STRANGERS: dict[str, tuple[str, list[str]]] = {
    "no gene of the model": ("D130", [f"OTHER{i}B" for i in range(40)]),
    "a gene of the model twice": ("D131", [*MODEL_GENES[:39], MODEL_GENES[0]]),
    "genes of another species": ("D133", [name.capitalize() for name in MODEL_GENES]),
}


@pytest.mark.parametrize("case", STRANGERS)
def test_cells_that_a_model_cannot_read_are_told_why(case: str) -> None:
    code, names = STRANGERS[case]
    with pytest.raises(DataError) as error:
        refuse_low_coverage(MODEL_GENES, align_genes(MODEL_GENES, names), pd.DataFrame(index=names))
    assert error.value.code == code
