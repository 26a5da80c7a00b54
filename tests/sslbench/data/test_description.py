"""The YAML that a check writes is the data set that was checked, and it never replaces another file."""

from pathlib import Path

import pytest

from sslbench.data.catalogue import load_dataset, spec_of_file
from sslbench.data.checking import Checked, WholeLook, check_cells
from sslbench.data.description import write_description
from sslbench.data.store import prepare_store, read_manifest
from sslbench.errors import RefusedError
from tests.factories import synthetic_adata


def checked_cells(folder: Path, donor_key: str | None = "donor") -> tuple[Checked, WholeLook]:
    file = folder / "my cells.h5ad"
    adata = synthetic_adata()
    adata.obs["donor"] = adata.obs["donor"].map(
        {"d0": "1015", "d1": "no", "d2": "a, b: c", "d3": "d3"}
    )
    adata.write_h5ad(file)
    spec = spec_of_file(file, label_key="cell_type", donor_key=donor_key, batch_key="batch")
    checked = check_cells(spec)
    assert checked.whole is not None
    return checked, checked.whole


@pytest.mark.parametrize("donor_key", ["donor", None])
def test_the_yaml_is_the_data_set_that_was_checked(tmp_path: Path, donor_key: str | None) -> None:
    checked, whole = checked_cells(tmp_path, donor_key)
    write_description(checked, whole, tmp_path / "my.yaml")
    spec = load_dataset(tmp_path / "my.yaml")
    assert spec.file == checked.spec.file
    assert (spec.label_key, spec.donor_key, spec.batch_key) == ("cell_type", donor_key, "batch")
    manifest = read_manifest(prepare_store(spec, n_top_genes=None, root=tmp_path / "store"))
    assert manifest.donors_per_split == whole.donors
    assert manifest.label_names == whole.table.labels.names


def test_a_yaml_elsewhere_still_finds_the_cells(tmp_path: Path) -> None:
    checked, whole = checked_cells(tmp_path)
    write_description(checked, whole, tmp_path / "deep" / "er" / "my.yaml")
    assert load_dataset(tmp_path / "deep/er/my.yaml").file == checked.spec.file


def test_another_file_is_never_replaced_and_the_same_words_are_fine(tmp_path: Path) -> None:
    checked, whole = checked_cells(tmp_path)
    file = tmp_path / "my.yaml"
    write_description(checked, whole, file)
    write_description(checked, whole, file)
    file.write_text(file.read_text() + "residual: [type0]\n")
    edited = file.read_text()
    with pytest.raises(RefusedError, match="exists already"):
        write_description(checked, whole, file)
    assert file.read_text() == edited
