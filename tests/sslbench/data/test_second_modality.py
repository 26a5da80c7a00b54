"""The second measurement of a store: raw, of the kept cells in their order, and known where it is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from sslbench.data import modality
from sslbench.data.catalogue import DatasetSpec, ModalityChoice
from sslbench.data.second_modality import FILES
from sslbench.data.store import open_cells, prepare_store, read_manifest
from sslbench.errors import DataError
from tests.sslbench.data.studies import described, study

N = 60
NAMES = ("CD3", "CD4", "CD8")


def protein() -> np.ndarray:
    """(n_cells, 3) raw counts; every fourth cell was not measured."""
    values = np.random.default_rng(0).integers(0, 50, (N, 3)).astype(float)
    values[::4] = np.nan
    return values


def spec(folder: Path, values: Any, **keys: Any) -> DatasetSpec:
    adata = study(0)
    adata.obsm["protein"], adata.uns["names"] = values, np.array(NAMES)
    chosen = ModalityChoice(kind="protein", key="protein", names="names")
    return described(adata, folder / "cells.h5ad", modality=chosen, **keys)


def test_each_split_reads_its_own_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modality, "BLOCK_VALUES", 3 * 7)  # rows come in blocks of seven
    store = prepare_store(spec(tmp_path, protein()), n_top_genes=None, root=tmp_path)
    adata, wanted = study(0), protein()
    for split in ("train", "val", "test"):
        cells = open_cells(store, split)
        assert cells.modality is not None
        assert (cells.modality.kind, cells.modality.features) == ("protein", NAMES)
        (donor,) = set(cells.donor)
        rows = wanted[(adata.obs["donor"] == donor).to_numpy()]
        there = ~np.isnan(rows).any(axis=1)
        np.testing.assert_array_equal(cells.modality.measured[cells.row_ids], there)
        np.testing.assert_array_equal(cells.modality.counts.rows(cells.row_ids)[there], rows[there])


def test_cells_that_are_left_out_take_their_measurement_with_them(tmp_path: Path) -> None:
    adata = study(0)
    dropped = adata.obs["donor"].astype(str).to_numpy()
    dropped[5:9] = "doublet"
    adata.obs["donor"] = dropped
    x = adata.X.toarray()
    x[20] = 0  # a cell without counts
    adata.X = csr_matrix(x)
    adata.obsm["protein"] = np.arange(3 * N, dtype=float).reshape(N, 3)
    chosen = ModalityChoice(kind="protein", key="protein")
    keys: dict[str, Any] = {"modality": chosen, "exclude_donors": ("doublet",)}
    store = prepare_store(
        described(adata, tmp_path / "cells.h5ad", **keys), n_top_genes=None, root=tmp_path
    )
    kept = [i for i in range(N) if i not in (5, 6, 7, 8, 20)]
    found = open_cells(store, "train").modality
    assert found is not None
    np.testing.assert_array_equal(
        found.counts.rows(np.arange(len(kept))), adata.obsm["protein"][kept]
    )


def test_the_files_of_a_modality_are_under_the_stores_checksums(tmp_path: Path) -> None:
    store = prepare_store(spec(tmp_path, protein()), n_top_genes=None, root=tmp_path)
    assert set(FILES) <= set(read_manifest(store).files)
    other = spec(tmp_path, protein() + 1)
    changed = prepare_store(other, n_top_genes=None, root=tmp_path)
    assert read_manifest(changed).fingerprint != read_manifest(store).fingerprint
    assert read_manifest(changed).split_hash == read_manifest(store).split_hash


def test_a_store_without_a_modality_has_none_of_it(tmp_path: Path) -> None:
    store = prepare_store(described(study(0), tmp_path / "c.h5ad"), n_top_genes=None, root=tmp_path)
    assert open_cells(store, "train").modality is None
    assert not set(FILES) & {path.name for path in store.iterdir()}


def test_values_that_cannot_be_raw_counts_or_are_nowhere_measured_are_refused(
    tmp_path: Path,
) -> None:
    for values, says in ((protein() - 7, "negative"), (protein() * np.nan, "no cell")):
        with pytest.raises(DataError, match=says) as error:
            prepare_store(spec(tmp_path, values), n_top_genes=None, root=tmp_path / "stores")
        assert error.value.code == "D181"
        assert list((tmp_path / "stores").iterdir()) == []
