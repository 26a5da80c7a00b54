import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sslbench.data.catalogue import (
    CATALOGUE,
    DatasetSpec,
    dataset_names,
    load_dataset,
    spec_of_file,
)
from sslbench.data.places import place_of
from sslbench.data.store import prepare_store, read_manifest
from sslbench.errors import ConfigError, DataError

WHOLE = "title: t\nfile: cells.h5ad\nlabel_key: cell_type\ndonor_key: donor\n"


def written(folder: Path, text: str) -> Path:
    file = folder / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_bundled_data_sets_are_listed() -> None:
    assert {"pbmc_cite", "breast_tumour"} <= set(dataset_names())


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(ConfigError, match="pbmc_cit") as error:
        load_dataset("pbmc_cit")
    assert "did you mean 'pbmc_cite'" in str(error.value)


def test_a_file_is_found_beside_its_yaml_and_the_name_is_that_of_the_yaml(tmp_path: Path) -> None:
    spec = load_dataset(written(tmp_path, WHOLE))
    assert spec.file == tmp_path / "cells.h5ad"
    assert spec.name == "mine"


def test_labels_key_is_an_alias_of_label_key(tmp_path: Path) -> None:
    spec = load_dataset(written(tmp_path, WHOLE.replace("label_key", "labels_key")))
    assert spec.label_key == "cell_type"


def test_labels_that_mean_none_are_those_of_the_field(tmp_path: Path) -> None:
    assert load_dataset(written(tmp_path, WHOLE)).unlabelled == ("Unknown", "unknown", "NA", "")


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ("labelkey: x\n", "label"),
        ("splits: {train: [a], val: [a], test: [b]}\n", "one split"),
        ("splits: {train: [a], val: [], test: [b]}\n", "val"),
        ("name: ../../outside\n", "name"),
        ("counts: layers/foo\n", "counts"),
        ("title: again\n", "twice"),
        ("min_cells_per_label: 0\n", "min_cells_per_label"),
    ],
)
def test_a_wrong_line_is_an_error_that_names_file_and_line(
    tmp_path: Path, extra: str, says: str
) -> None:
    file = written(tmp_path, WHOLE + extra)
    with pytest.raises(ConfigError) as error:
        load_dataset(file)
    assert f"{file}, line 5" in str(error.value)
    assert says in str(error.value)


def test_leaving_donor_key_out_is_an_error_because_no_donors_must_be_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="donor_key"):
        load_dataset(written(tmp_path, WHOLE.replace("donor_key: donor\n", "")))


def test_splits_without_donors_are_an_error(tmp_path: Path) -> None:
    text = WHOLE.replace("donor_key: donor", "donor_key: null")
    with pytest.raises(ConfigError, match="donor_key is null"):
        load_dataset(written(tmp_path, text + "splits: {train: [a], val: [b], test: [c]}\n"))


def test_the_name_of_an_own_file_is_safe_as_a_folder(tmp_path: Path) -> None:
    spec = spec_of_file(tmp_path / "my cells (2).h5ad", label_key="a", donor_key=None)
    assert spec.name == "my_cells_2"


def test_the_words_for_people_do_not_shape_the_store(tmp_path: Path) -> None:
    one = load_dataset(written(tmp_path, WHOLE))
    assert one.model_copy(update={"title": "other"}).identity() == one.identity()
    assert one.model_copy(update={"label_key": "other"}).identity() != one.identity()


def test_the_catalogue_is_read_without_torch_and_anndata() -> None:
    code = (
        "import sys; from sslbench.data.catalogue import *; load_dataset('pbmc_cite'); "
        "sys.exit(any(m in sys.modules for m in ('torch', 'anndata', 'pandas', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def in_catalogue() -> list[DatasetSpec]:
    return [load_dataset(name) for name in dataset_names()]


def test_a_file_outside_the_package_keeps_its_place_until_it_is_needed(tmp_path: Path) -> None:
    for place in ("folder:cells.h5ad", "fetched:cells.h5ad"):
        text = WHOLE.replace("file: cells.h5ad", f"file: {place}")
        assert str(load_dataset(written(tmp_path, text)).file) == place


@pytest.mark.parametrize(
    "file", ["folder:../cells.h5ad", "fetched:/etc/cells.h5ad", "bundled:a/../../x.h5ad"]
)
def test_a_file_may_not_lead_out_of_its_folder(file: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="leads out of its folder"):
        load_dataset(written(tmp_path, WHOLE.replace("file: cells.h5ad", f"file: {file}")))


def test_an_address_is_not_taken_for_a_relative_path(tmp_path: Path) -> None:
    text = WHOLE.replace("file: cells.h5ad", "file: https://example.org/cells.h5ad")
    with pytest.raises(DataError) as error:
        prepare_store(load_dataset(written(tmp_path, text)), n_top_genes=None, root=tmp_path)
    assert error.value.code == "D007"


def test_files_of_the_catalogue_are_bundled_or_have_a_place_that_this_machine_fills() -> None:
    for spec in in_catalogue():
        assert place_of(spec.file) in ("bundled", "folder", "fetched"), spec.name
        assert spec.file.is_file() == (place_of(spec.file) == "bundled"), spec.name


@pytest.mark.parametrize("file", sorted(CATALOGUE.glob("*.yaml")), ids=lambda file: file.stem)
def test_an_entry_names_no_address_and_no_predicted_labels(file: Path) -> None:
    keys = [line.partition("#")[0] for line in file.read_text(encoding="utf-8").splitlines()]
    text = "\n".join(keys)
    assert not re.search(r"://|www\.|\.(org|com|io|gov)\b", text)
    assert "_pred" not in text


def test_a_label_is_residual_only_where_there_are_labels() -> None:
    for spec in in_catalogue():
        assert spec.label_key is not None or not (spec.residual or spec.nan_is_unlabelled)


def test_every_entry_names_its_studies_so_that_shared_cells_are_found() -> None:
    studies = {spec.name: set(spec.studies) for spec in in_catalogue()}
    assert all(studies.values())
    assert studies["kang18"] == studies["kang18_donors"] == studies["kang18_ctrl_extra"]
    assert studies["cite_hao_mini"] == studies["pbmc_cite"]
    assert studies["zheng17_facs"] == studies["zheng17_donor_a"] == studies["zheng17_facs_extra"]


WITH_FOLDER = pytest.mark.skipif(
    not os.environ.get("SSLBENCH_DATA"), reason="SSLBENCH_DATA names no folder of data sets"
)


@WITH_FOLDER
def test_cells_that_are_no_whole_numbers_have_no_entry_and_are_refused(tmp_path: Path) -> None:
    assert "pancreas_mini" not in dataset_names()
    cells = Path("folder:pancreas_mini.h5ad")
    spec = spec_of_file(tmp_path / "x.h5ad", label_key="cell_type", donor_key=None)
    with pytest.raises(DataError, match="counts expected"):
        prepare_store(spec.model_copy(update={"files": (cells,)}), n_top_genes=None, root=tmp_path)


@WITH_FOLDER
def test_doublets_are_no_donor_of_kang18_and_cells_without_a_label_stay(tmp_path: Path) -> None:
    store = prepare_store(load_dataset("kang18_donors"), n_top_genes=None, root=tmp_path)
    manifest = read_manifest(store)
    assert manifest.n_excluded_cells == 36
    assert sum(map(len, manifest.donors_per_split.values())) == 8
    assert manifest.n_unlabelled > 4_900
