"""`sslbench annotate`: a file in, a copy with cell types out, and nothing else of it changed."""

from __future__ import annotations

from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest

from sslbench.cli.annotate import add_columns
from tests.factories import synthetic_adata
from tests.sslbench.cli.typed import Typed, typed


@pytest.fixture
def model(classifying_model: Path) -> Path:
    return classifying_model


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    file = tmp_path / "my.h5ad"
    synthetic_adata().write_h5ad(file)
    return file


def annotate(*words: object) -> Typed:
    return typed("annotate", *map(str, words))


def test_the_copy_has_labels_and_the_input_is_as_it_was(
    model: Path, cells: Path, tmp_path: Path
) -> None:
    before, out = cells.read_bytes(), tmp_path / "annotated.h5ad"
    done = annotate(cells, "--model", model, "--out", out)
    assert done.code == 0, done.err
    assert "60 of the model's 60 genes found (100%)" in done.err
    assert cells.read_bytes() == before
    adata, original = anndata.read_h5ad(out), anndata.read_h5ad(cells)
    assert set(adata.obs["sslbench_label"]) <= set(original.obs["cell_type"])
    assert adata.obs["sslbench_prob"].between(0, 1).all()
    assert adata.obs[list(original.obs)].equals(original.obs)
    assert adata.uns["sslbench_annotation"]["pretext"] == "supervised"
    assert (adata.X != original.X).nnz == 0


def test_a_file_at_out_is_replaced_only_if_asked(model: Path, cells: Path, tmp_path: Path) -> None:
    out = tmp_path / "precious.h5ad"
    out.write_text("precious")
    assert annotate(cells, "--model", model, "--out", out).code == 7
    assert out.read_text() == "precious"
    assert annotate(cells, "--model", model, "--out", out, "--force").code == 0


def test_labels_of_an_earlier_annotation_are_replaced(
    model: Path, cells: Path, tmp_path: Path
) -> None:
    once, twice = tmp_path / "once.h5ad", tmp_path / "twice.h5ad"
    assert annotate(cells, "--model", model, "--out", once).code == 0
    assert annotate(once, "--model", model, "--out", twice).code == 0
    assert list(anndata.read_h5ad(twice).obs) == list(anndata.read_h5ad(once).obs)


@pytest.mark.parametrize("columns", [{}, {"n": [1, 2, 3]}], ids=["no column", "a column"])
def test_columns_join_an_obs_of_any_size(columns: dict[str, list[int]], tmp_path: Path) -> None:
    obs = pd.DataFrame(columns, index=["a", "b", "c"])
    anndata.AnnData(np.ones((3, 2), np.float32), obs=obs).write_h5ad(tmp_path / "x.h5ad")
    new = pd.DataFrame({"kind": pd.Categorical(["u", None, "v"])}, index=obs.index)
    with h5py.File(tmp_path / "x.h5ad", "r+") as file:
        add_columns(file, new)
    found = anndata.read_h5ad(tmp_path / "x.h5ad").obs
    assert list(found) == [*columns, "kind"]
    assert found["kind"].isna().tolist() == [False, True, False]
