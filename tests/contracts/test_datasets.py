"""What every data set of the catalogue must be; a new YAML is covered the moment it exists."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from sslbench.data.catalogue import BUNDLED, dataset_names, dataset_summary, load_dataset
from sslbench.data.cells import Cells
from sslbench.data.places import located
from sslbench.data.store import open_cells, prepare_store, read_manifest
from sslbench.durable import sha256
from sslbench.errors import SslbenchError

SPLITS = ("train", "val", "test")
MAX_BUNDLED_BYTES = 5_000_000


@pytest.fixture(scope="module", params=dataset_names())
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("stores")
    spec = load_dataset(request.param)
    try:
        located(spec.file)
    except SslbenchError as absent:
        pytest.skip(f"{spec.name}: {absent.what}")
    return prepare_store(spec, n_top_genes=None, root=root)


def opened(store: Path) -> dict[str, Cells]:
    return {split: open_cells(store, split) for split in SPLITS}


def test_every_count_is_a_whole_positive_number(store: Path) -> None:
    counts = open_cells(store, "train").counts.values
    assert (counts == np.rint(counts)).all()
    assert counts.min() >= 1


def test_no_donor_is_in_two_splits(store: Path) -> None:
    donors = [set(cells.donor) - {""} for cells in opened(store).values()]
    assert donors[0].isdisjoint(donors[1] | donors[2])
    assert donors[1].isdisjoint(donors[2])
    assert all(donors) == (read_manifest(store).split_by == "donor")


def test_every_cell_is_in_exactly_one_split(store: Path) -> None:
    rows = np.concatenate([cells.row_ids for cells in opened(store).values()])
    assert sorted(rows) == list(range(read_manifest(store).n_cells))


def test_every_scored_label_has_enough_cells_in_train_and_in_test(store: Path) -> None:
    for split in ("train", "test"):
        cells = open_cells(store, split)
        n = np.bincount(cells.label[cells.label >= 0], minlength=len(cells.label_names))
        assert (n >= 5).all(), (split, dict(zip(cells.label_names, n)))


def test_all_leak_checks_are_passed(store: Path) -> None:
    checks = read_manifest(store).leak_checks
    assert len(checks) == 6
    assert all(ok for _, ok, _ in checks)


@pytest.mark.parametrize("name", dataset_names())
def test_a_data_set_says_where_it_comes_from(name: str) -> None:
    spec = load_dataset(name)
    assert dataset_summary(name) == spec.title
    assert spec.source
    assert spec.licence
    assert spec.citation


def test_every_bundled_file_is_the_one_its_provenance_names() -> None:
    sources = yaml.safe_load((BUNDLED / "sources.yaml").read_text(encoding="utf-8"))
    files = {f.name for f in BUNDLED.iterdir()} - {"sources.yaml", "SOURCES.md"}
    assert set(sources) == files
    for name, source in sources.items():
        assert sha256(BUNDLED / name) == source["sha256"], name
        assert all(len(package["sha256"]) == 64 for package in source["packages"])


def test_the_bundled_files_are_small() -> None:
    assert sum(f.stat().st_size for f in BUNDLED.iterdir()) <= MAX_BUNDLED_BYTES


def test_pbmc_cite_is_split_as_documented(tmp_path: Path) -> None:
    store = prepare_store(load_dataset("pbmc_cite"), n_top_genes=None, root=tmp_path)
    manifest = read_manifest(store)
    assert manifest.donors_per_split == {"train": ("p3",), "val": ("p1",), "test": ("p4",)}
    assert (manifest.n_cells, manifest.n_genes) == (1200, 500)
    assert list(manifest.excluded_labels) == ["other"]
    assert len(manifest.label_names) == 7
