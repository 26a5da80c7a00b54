import subprocess
import sys
from pathlib import Path

import pytest

from sslbench.data.catalogue import dataset_names, load_dataset, spec_from_h5ad
from sslbench.errors import ConfigError

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
    spec = spec_from_h5ad(tmp_path / "my cells (2).h5ad", label_key="a", donor_key=None)
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
