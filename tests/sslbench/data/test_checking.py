"""The traffic light: what a sweep would refuse is red, what it could not say is yellow, and nothing is changed."""

from pathlib import Path

import anndata
import numpy as np
import pytest

from sslbench.data.catalogue import DatasetSpec, spec_of_file
from sslbench.data.checking import check_cells, copies_across_donors
from sslbench.data.known_genes import bundled_symbols
from sslbench.data.store import prepare_store
from sslbench.errors import DataError
from tests.factories import synthetic_adata


def fine_cells(**design: int) -> anndata.AnnData:
    """Cells with nothing to say against: six donors, human symbols."""
    adata = synthetic_adata(**({"n_cells": 480, "n_donors": 8} | design))
    adata.var_names = sorted(bundled_symbols())[: adata.n_vars]
    return adata


def described(adata: anndata.AnnData, folder: Path, donor_key: str | None = "donor") -> DatasetSpec:
    file = folder / "my.h5ad"
    adata.write_h5ad(file)
    return spec_of_file(file, label_key="cell_type", donor_key=donor_key)


def test_cells_with_nothing_to_say_against_are_green(tmp_path: Path) -> None:
    spec = described(fine_cells(), tmp_path)
    before = spec.file.read_bytes()
    checked = check_cells(spec)
    assert (checked.light, checked.reasons, checked.problem) == ("green", (), None)
    assert spec.file.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["my.h5ad"]


def test_classes_are_counted_by_donor_the_largest_first(tmp_path: Path) -> None:
    adata = fine_cells()
    classes = check_cells(described(adata, tmp_path)).first.classes
    assert classes is not None
    for label in classes.index:
        for donor in classes.columns:
            of_both = (adata.obs["cell_type"] == label) & (adata.obs["donor"] == donor)
            assert classes.loc[label, donor] == of_both.sum()
    assert classes.sum(axis=1).is_monotonic_decreasing


def test_what_is_split_is_what_a_store_splits(tmp_path: Path) -> None:
    from sslbench.data.manifest import read_manifest

    spec = described(fine_cells(), tmp_path)
    whole = check_cells(spec).whole
    assert whole is not None
    manifest = read_manifest(prepare_store(spec, n_top_genes=None, root=tmp_path / "store"))
    assert whole.donors == manifest.donors_per_split
    assert whole.table.labels.names == manifest.label_names
    assert [(c.name, c.ok, c.detail) for c in whole.checks] == list(manifest.leak_checks)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda adata: setattr(adata, "X", adata.X * 0.5), "D106"),
        (lambda adata: adata.obs.drop(columns="cell_type", inplace=True), "D140"),
        (lambda adata: adata.obs.__setitem__("donor", "one"), "D150"),
        (lambda adata: adata.obs.__setitem__("cell_type", "one"), "D142"),
    ],
)
def test_what_a_sweep_refuses_is_red_with_the_same_error(change, code: str, tmp_path: Path) -> None:
    adata = fine_cells()
    change(adata)
    spec = described(adata, tmp_path)
    checked = check_cells(spec)
    with pytest.raises(DataError) as error:
        prepare_store(spec, n_top_genes=None, root=tmp_path / "store")
    assert checked.light == "red"
    assert checked.problem is not None
    assert checked.problem.code == code
    assert str(checked.problem) == str(error.value)


def test_what_is_no_file_of_cells_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "my.h5ad").write_text("text")
    spec = spec_of_file(tmp_path / "my.h5ad", label_key="a", donor_key=None)
    with pytest.raises(DataError, match="not HDF5"):
        check_cells(spec)


def reasons_for(adata: anndata.AnnData, folder: Path, donor_key: str | None = "donor") -> str:
    checked = check_cells(described(adata, folder, donor_key))
    assert checked.light == "yellow", checked
    return "\n".join(checked.reasons)


def test_one_test_donor_and_no_donors_are_yellow(tmp_path: Path) -> None:
    assert "one test donor" in reasons_for(fine_cells(n_donors=3), tmp_path)
    assert "nothing is said about other donors" in reasons_for(fine_cells(), tmp_path, None)


def test_a_class_that_is_too_rare_is_named_with_the_reason(tmp_path: Path) -> None:
    adata = fine_cells()
    labels = adata.obs["cell_type"].astype(str).to_numpy()
    labels[:3] = "rare"
    adata.obs["cell_type"] = labels
    assert "rare, fewer than 5 in train and test" in reasons_for(adata, tmp_path)


def test_missing_labels_are_declared_not_passed_over(tmp_path: Path) -> None:
    adata = fine_cells()
    labels = adata.obs["cell_type"].astype(object).to_numpy()
    labels[:7] = None
    adata.obs["cell_type"] = labels
    checked = check_cells(described(adata, tmp_path))
    assert checked.spec.nan_is_unlabelled
    assert "7 of 480 cells have no label" in "\n".join(checked.reasons)


def test_a_donor_that_sounds_like_none_is_named(tmp_path: Path) -> None:
    adata = fine_cells()
    donors = adata.obs["donor"].astype(str).to_numpy()
    donors[:9] = "doublet"
    adata.obs["donor"] = donors
    assert "exclude_donors: [doublet]" in reasons_for(adata, tmp_path)


def test_labels_that_are_clusters_renamed_are_told(tmp_path: Path) -> None:
    adata = fine_cells()
    adata.obs["leiden"] = adata.obs["cell_type"].astype(str).str[-1]
    (reason,) = reasons_for(adata, tmp_path).splitlines()
    assert reason.startswith("obs['cell_type'] is obs['leiden'] renamed")


def test_classes_that_sound_like_a_rest_are_named(tmp_path: Path) -> None:
    adata = fine_cells()
    adata.obs["cell_type"] = adata.obs["cell_type"].replace("type1", "T doublets")
    assert "residual: [T doublets]" in reasons_for(adata, tmp_path)


def test_genes_that_no_list_knows_are_yellow(tmp_path: Path) -> None:
    adata = fine_cells()
    adata.var_names = [f"x{i}" for i in range(adata.n_vars)]
    assert "human symbols" in reasons_for(adata, tmp_path)


def test_copies_count_if_another_donor_has_them_and_never_if_they_are_too_sparse() -> None:
    profile = np.array([7, 7, 8, 8, 0, 0, 9], dtype=np.uint64)
    donor = np.array(["a", "b", "a", "a", "a", "b", "b"], dtype=object)
    assert copies_across_donors(profile, donor=donor) == 2
    assert copies_across_donors(profile, donor=np.full(7, "", dtype=object)) == 4
