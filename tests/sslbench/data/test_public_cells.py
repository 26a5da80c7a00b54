"""The guard and the reader on public cells, where SSLBENCH_DATA names a folder that holds them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from sslbench.config import Scenario
from sslbench.data.catalogue import DatasetSpec, load_dataset
from sslbench.data.checking import check_cells
from sslbench.data.corpus import prepare_corpus
from sslbench.data.manifest import StoreManifest, read_manifest
from sslbench.data.places import FOLDER_VARIABLE, located
from sslbench.data.store import open_cells
from sslbench.errors import DataError, SslbenchError

pytestmark = pytest.mark.skipif(
    not os.environ.get(FOLDER_VARIABLE), reason=f"{FOLDER_VARIABLE} names no folder of public cells"
)


def here(*names: str) -> list[DatasetSpec]:
    """The data sets of these names, or a skip that says which file is missing."""
    specs = [load_dataset(name) for name in names]
    for spec in specs:
        try:
            located(spec.file)
        except SslbenchError as absent:
            pytest.skip(f"{spec.name}: {absent.what}")
    return specs


def without_studies(spec: DatasetSpec) -> DatasetSpec:
    """The same cells as someone would describe them who does not know where they come from."""
    return spec.model_copy(update={"studies": (), "name": f"my_{spec.name}"})


def corpus(
    target: DatasetSpec, *specs: DatasetSpec, root: Path, scenario: Scenario = "transfer"
) -> StoreManifest:
    folder = prepare_corpus(specs, target=target, scenario=scenario, n_top_genes=None, root=root)
    assert len(open_cells(folder, "train")) == read_manifest(folder).n_cells
    return read_manifest(folder)


SAME_STUDY = [
    ("pbmc_cite", "cite_hao_mini"),
    ("zheng17_facs", "zheng17_donor_a"),
    ("zheng17_facs", "zheng17_facs_extra"),
    ("kang18_donors", "kang18_ctrl_extra"),
    ("kang18_donors", "kang18"),
    ("breast_tumour", "breast_tumour_immune"),
]


@pytest.mark.parametrize(("target", "other"), SAME_STUDY)
def test_data_sets_of_one_study_are_refused_by_its_name(
    target: str, other: str, tmp_path: Path
) -> None:
    target_spec, other_spec = here(target, other)
    with pytest.raises(DataError, match=r"study|same data set") as error:
        corpus(target_spec, other_spec, root=tmp_path)
    assert error.value.code == "D155"


@pytest.mark.parametrize(
    ("target", "other"),
    [
        ("kang18_donors", "kang18"),
        ("breast_tumour", "breast_tumour_immune"),
        ("pbmc_cite", "cite_hao_mini"),
    ],
)
def test_the_same_cells_are_found_by_their_profiles_alone(
    target: str, other: str, tmp_path: Path
) -> None:
    target_spec, other_spec = map(without_studies, here(target, other))
    with pytest.raises(DataError, match="have an exact copy") as error:
        corpus(target_spec, other_spec, root=tmp_path)
    assert error.value.code == "D155"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("target", "others"),
    [
        ("pbmc3k", ("kang18_donors", "zheng17_facs", "zheng17_donor_a")),
        ("cite_pbmc10k", ("pbmc5k",)),
        ("breast_tumour", ("pbmc3k", "cite_pbmc10k")),
        ("kang18_donors", ("pbmc3k",)),
    ],
)
def test_data_sets_of_other_people_pass(
    target: str, others: tuple[str, ...], tmp_path: Path
) -> None:
    specs = here(target, *others)
    manifest = corpus(*specs, root=tmp_path)
    assert len(manifest.joined) == len(others)
    assert "no studies named" not in manifest.guard


def test_a_pool_has_the_genes_of_the_target_and_tells_what_each_study_measured(
    tmp_path: Path,
) -> None:
    specs = here("pbmc3k", "kang18_donors", "cite_pbmc10k")
    folder = prepare_corpus(
        specs[1:], target=specs[0], scenario="transfer", n_top_genes=None, root=tmp_path
    )
    cells = open_cells(folder, "train")
    assert cells.measured is not None
    batch = cells.minibatch(np.array([0, len(cells) - 1]))
    assert batch.measured is not None
    n_measured = batch.measured.sum(dim=1).tolist()
    assert n_measured[0] > 13_000 > 4_000 >= n_measured[1]
    assert not batch.counts[~batch.measured].any()


def test_doublets_that_stand_as_a_donor_and_missing_labels_are_told() -> None:
    (spec,) = here("kang18_donors")
    plain = spec.model_copy(
        update={"files": (located(spec.file),), "exclude_donors": (), "nan_is_unlabelled": False}
    )
    checked = check_cells(plain)
    said = json.dumps(checked.reasons)
    assert checked.light == "yellow"
    assert "donor 'doublet' sounds like none (36 cells)" in said
    assert "4,946 of 13,999 cells have no label" in said
