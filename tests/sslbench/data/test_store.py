import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from sslbench.data import store as store_module
from sslbench.data import store_building
from sslbench.data.catalogue import DatasetSpec, load_dataset
from sslbench.data.store import open_cells, prepare_store, read_manifest
from sslbench.errors import DataError
from tests.factories import synthetic_adata, synthetic_spec, synthetic_store
from tests.sslbench.crash_points import dead

SPLITS = ("train", "val", "test")


def tree(root: Path) -> list[str]:
    return sorted(p.name for p in root.iterdir() if p.suffix != ".h5ad")


def test_the_store_holds_what_the_file_holds(tmp_path: Path) -> None:
    spec = synthetic_spec(tmp_path)
    adata = anndata.read_h5ad(spec.file)
    store = prepare_store(spec, n_top_genes=None, root=tmp_path)
    for split in SPLITS:
        cells = open_cells(store, split)
        rows = adata[cells.row_ids]
        np.testing.assert_array_equal(cells.dense_counts(), rows.X.toarray())
        assert cells.genes == tuple(adata.var_names)
        assert cells.donor.tolist() == rows.obs["donor"].tolist()
        assert cells.batch.tolist() == rows.obs["batch"].tolist()
        assert [cells.label_names[i] for i in cells.label] == rows.obs["cell_type"].tolist()
    names = pd.read_parquet(store / "obs.parquet")["cell"]
    assert names.tolist() == adata.obs_names.tolist()


def test_counts_stay_on_disk_in_their_small_types(tmp_path: Path) -> None:
    cells = open_cells(synthetic_store(tmp_path), "train")
    for array, dtype in [
        (cells.counts.indptr, np.int64),
        (cells.counts.indices, np.uint16),
        (cells.counts.values, np.uint16),
    ]:
        assert isinstance(array, np.memmap)
        assert array.dtype == dtype


def test_counts_above_uint16_are_kept_exactly(tmp_path: Path) -> None:
    spec = synthetic_spec(tmp_path)
    adata = anndata.read_h5ad(spec.file)
    adata.X[0, 0] = 70_001
    adata.write_h5ad(spec.file)
    store = prepare_store(spec, n_top_genes=None, root=tmp_path)
    counts = open_cells(store, "train").counts
    assert counts.values.dtype == np.float32
    assert counts.rows(np.array([0]))[0, 0] == 70_001


def test_a_store_is_young_again_before_it_is_read_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`clean` removes old stores that no question names, as that of a sweep that is just starting."""
    spec = synthetic_spec(tmp_path)
    store = prepare_store(spec, n_top_genes=None, root=tmp_path)
    os.utime(store, (1, 1))
    ages: list[float] = []

    def is_intact(*_: object) -> bool:
        ages.append(time.time() - store.stat().st_mtime)
        return True

    monkeypatch.setattr(store_module, "is_intact", is_intact)
    assert prepare_store(spec, n_top_genes=None, root=tmp_path) == store
    assert ages
    assert max(ages) < 600


def test_the_same_description_is_built_once_and_another_is_another_store(tmp_path: Path) -> None:
    spec = synthetic_spec(tmp_path)
    first = prepare_store(spec, n_top_genes=None, root=tmp_path)
    built = (first / "manifest.json").stat().st_mtime_ns
    assert prepare_store(spec, n_top_genes=None, root=tmp_path) == first
    assert (first / "manifest.json").stat().st_mtime_ns == built
    assert prepare_store(spec, n_top_genes=20, root=tmp_path) != first
    other = spec.model_copy(update={"min_cells_per_label": 6})
    assert prepare_store(other, n_top_genes=None, root=tmp_path) != first


def test_a_changed_file_is_another_store_with_another_fingerprint(tmp_path: Path) -> None:
    spec = synthetic_spec(tmp_path)
    first = prepare_store(spec, n_top_genes=None, root=tmp_path)
    adata = anndata.read_h5ad(spec.file)
    adata.X[0, 0] += 1
    adata.write_h5ad(spec.file)
    second = prepare_store(spec, n_top_genes=None, root=tmp_path)
    assert read_manifest(second).fingerprint != read_manifest(first).fingerprint
    assert read_manifest(second).split_hash == read_manifest(first).split_hash


def test_the_fingerprint_is_that_of_the_content_wherever_it_is_built(tmp_path: Path) -> None:
    prints = set()
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        prints.add(read_manifest(synthetic_store(tmp_path / place)).fingerprint)
    assert len(prints) == 1


def test_other_labels_or_splits_are_another_fingerprint(tmp_path: Path) -> None:
    spec = synthetic_spec(tmp_path)
    variants = [
        spec,
        spec.model_copy(update={"residual": ("type0",)}),
        spec.model_copy(update={"donor_key": None}),
    ]
    stores = [prepare_store(s, n_top_genes=None, root=tmp_path) for s in variants]
    assert len({read_manifest(store).fingerprint for store in stores}) == 3


def test_noise_in_the_test_cells_changes_nothing_that_is_fitted_on_training_cells(
    tmp_path: Path,
) -> None:
    kept = []
    for place in ("clean", "noisy"):
        (tmp_path / place).mkdir()
        spec = synthetic_spec(tmp_path / place)
        if place == "noisy":
            overwrite_test_cells(spec, tmp_path)
        store = prepare_store(spec, n_top_genes=20, root=tmp_path / place)
        kept.append((open_cells(store, "train"), open_cells(store, "test")))
    (train, test), (noisy_train, noisy_test) = kept
    assert noisy_train.genes == train.genes
    assert noisy_train.label.tolist() == train.label.tolist()
    np.testing.assert_array_equal(noisy_train.dense_counts(), train.dense_counts())
    assert not np.array_equal(noisy_test.dense_counts(), test.dense_counts())


def overwrite_test_cells(spec: DatasetSpec, folder: Path) -> None:
    """Replace the values of every test cell by noise, on the genes that would be chosen last."""
    test = open_cells(prepare_store(spec, n_top_genes=None, root=folder), "test")
    adata = anndata.read_h5ad(spec.file)
    x = adata.X.toarray()
    x[test.row_ids] = np.random.default_rng(0).poisson(40, (len(test), adata.n_vars))
    adata.X = csr_matrix(x)
    adata.write_h5ad(spec.file)


def test_a_builder_that_fails_leaves_nothing_and_the_next_one_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = synthetic_spec(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(store_building, "write_atomically", full_disk)
        with pytest.raises(OSError, match="no space"):
            prepare_store(spec, n_top_genes=None, root=tmp_path)
    assert tree(tmp_path) == []
    assert len(open_cells(prepare_store(spec, n_top_genes=None, root=tmp_path), "train")) > 0


def full_disk(*_: object) -> None:
    raise OSError("no space left on device")


def test_a_builder_killed_midway_is_cleared_away_by_the_next_one(tmp_path: Path) -> None:
    spec = synthetic_spec(tmp_path)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from sslbench.data import store_building, store\n"
        "from sslbench.data.catalogue import spec_of_file\n"
        "store_building.write_atomically = lambda *a: os._exit(137)\n"
        "spec = spec_of_file(sys.argv[1], label_key='cell_type', donor_key='donor', "
        "batch_key='batch')\n"
        "store.prepare_store(spec, n_top_genes=None, root=Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, str(spec.file), str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == 137
    assert len(tree(tmp_path)) == 1
    assert tree(tmp_path)[0].endswith(".tmp")
    store = prepare_store(spec, n_top_genes=None, root=tmp_path)
    assert tree(tmp_path) == [store.name]
    assert len(open_cells(store, "test")) > 0


@pytest.mark.parametrize("at", range(1, 42, 8))
def test_a_builder_killed_anywhere_leaves_nothing_that_the_next_one_does_not_clear(
    tmp_path: Path, at: int
) -> None:
    """A store is built by about forty calls; each would be tried if it took less time."""
    spec = synthetic_spec(tmp_path)
    assert dead(lambda: prepare_store(spec, n_top_genes=None, root=tmp_path), at)
    store = prepare_store(spec, n_top_genes=None, root=tmp_path)
    assert tree(tmp_path) == [store.name]
    assert len(open_cells(store, "test")) > 0


def test_builders_at_the_same_time_end_with_one_whole_store(tmp_path: Path) -> None:
    spec = synthetic_spec(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        done = pool.map(lambda _: prepare_store(spec, n_top_genes=None, root=tmp_path), range(8))
    stores = set(done)
    assert [store.name for store in stores] == tree(tmp_path)


@pytest.mark.parametrize("file", ["counts.npy", "genes.txt", "manifest.json"])
def test_a_damaged_store_is_built_again(tmp_path: Path, file: str) -> None:
    store = synthetic_store(tmp_path)
    whole = (store / file).read_bytes()
    os.truncate(store / file, 30)
    assert synthetic_store(tmp_path) == store
    assert (store / file).read_bytes() == whole


def test_a_folder_without_a_manifest_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no cell store"):
        open_cells(tmp_path, "train")


def test_copies_of_training_cells_among_test_cells_are_refused(tmp_path: Path) -> None:
    spec = synthetic_spec(tmp_path)
    adata = anndata.read_h5ad(spec.file)
    donors = adata.obs["donor"].to_numpy()
    x = adata.X.toarray()
    x[donors == "d1"] = x[donors == "d0"]
    adata.X = csr_matrix(x)
    adata.write_h5ad(spec.file)
    with pytest.raises(DataError, match="leaks: duplicates") as error:
        prepare_store(spec, n_top_genes=None, root=tmp_path)
    assert error.value.code == "D151"
    assert tree(tmp_path) == []


@pytest.mark.parametrize(("n_cells", "n_genes"), [(0, 60), (1, 60), (240, 0)])
def test_files_with_next_to_nothing_are_refused(tmp_path: Path, n_cells: int, n_genes: int) -> None:
    spec = synthetic_spec(tmp_path)
    synthetic_adata()[:n_cells, :n_genes].copy().write_h5ad(spec.file)
    with pytest.raises(DataError) as error:
        prepare_store(spec, n_top_genes=None, root=tmp_path)
    assert error.value.code == "D110"


def test_genes_of_raw_are_used_where_the_counts_are_raw(tmp_path: Path) -> None:
    spec = synthetic_spec(tmp_path)
    adata = anndata.read_h5ad(spec.file)
    adata.raw = adata.copy()
    adata = adata[:, :30].copy()
    adata.X = adata.X * 0.3
    adata.write_h5ad(spec.file)
    manifest = read_manifest(prepare_store(spec, n_top_genes=None, root=tmp_path))
    assert manifest.counts_slot == "raw"
    assert manifest.n_genes == 60


def test_donors_are_not_needed_when_the_description_says_so(tmp_path: Path) -> None:
    manifest = read_manifest(
        prepare_store(synthetic_spec(tmp_path, donor_key=None), n_top_genes=None, root=tmp_path)
    )
    assert manifest.split_by == "cell"
    assert manifest.donors_per_split == {"train": (), "val": (), "test": ()}


def test_pbmc_cite_keeps_as_many_variable_genes_as_asked(tmp_path: Path) -> None:
    store = prepare_store(load_dataset("pbmc_cite"), n_top_genes=100, root=tmp_path)
    cells = open_cells(store, "val")
    everything = open_cells(
        prepare_store(load_dataset("pbmc_cite"), n_top_genes=None, root=tmp_path), "val"
    )
    columns = [everything.genes.index(gene) for gene in cells.genes]
    assert len(columns) == 100
    assert columns == sorted(columns)
    np.testing.assert_array_equal(cells.dense_counts(), everything.dense_counts()[:, columns])
