"""The command as a person meets it: quick, kind about mistakes, and clean for machines."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import pytest

from sslbench.cli.listing import known
from sslbench.cli.places import sweep_names
from sslbench.data.catalogue import dataset_names
from sslbench.registry import REGISTRIES
from tests.factories import synthetic_adata
from tests.sslbench.cli.typed import Typed, typed

PROJECT = Path(__file__).parents[3]


def sslbench(*words: str, cwd: Path = PROJECT) -> Typed:
    with chdir(cwd):
        return typed(*words)


def test_help_imports_nothing_heavy() -> None:
    heavy = ["torch", "ray", "mlflow", "optuna", "scanpy", "anndata", "pandas", "sklearn"]
    script = (
        "import sys\nimport sslbench.cli\nfrom typer.testing import CliRunner\n"
        "result = CliRunner().invoke(sslbench.cli.app, ['--help'])\n"
        "assert 'leaderboard' in result.output, result.output\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "code", "most_lines"), [(("list", "--format", "json"), 0, 0), (("sweep", "x"), 2, 8)]
)
def test_a_process_of_its_own_says_no_more(
    words: tuple[str, ...], code: int, most_lines: int
) -> None:
    """No library that is imported for the first time has a word to add."""
    command = [sys.executable, "-m", "sslbench", *words]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert len(done.stderr.splitlines()) <= most_lines
    assert done.stderr.startswith("error[" if most_lines else "")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("sweep", "mae_maskng"), 2, "did you mean 'mae_masking'?"),
        (("sweep", "../../x"), 2, "unknown sweep"),
        (("sweep", "smoke", "-o", "budget.trial=3"), 2, "did you mean 'trials'?"),
        (("sweep", "smoke", "-o", "objective.metric=test/knn/macro_f1"), 2, "validation score"),
        (("sweep", "smoke", "--data", "no_such.h5ad"), 2, "--label-key"),
        (("check", "smoke", "--data", "no_such_set"), 2, "unknown data set"),
        (("sweep", "smoke", "--label-key", "x"), 2, "beside a file of cells"),
        (("sweep", "smoke", "--data", "pbmc_cite", "--counts", "raw"), 2, "beside a file of cells"),
        (("leaderboard",), 2, "make sweep SWEEP="),
        (("status", "smoke"), 2, "make sweep SWEEP=smoke"),
        (("pull", "--to", "winner"), 2, "make sweep"),
        (("rerun", "0123"), 2, "there is no trial '0123'"),
        (("score", "a.h5ad", "--obsm", "X", "--name", "a"), 2, "nothing says which cells"),
        (("score", "a.h5ad", "--obsm", "X", "--name", "a/b", "--sweep", "smoke"), 2, "a name has"),
        (("score", "a.h5ad", "--obsm", "X", "--name", "a", "--sweep", "smoke"), 3, "no such file"),
        (("embed", "a.h5ad", "--model", "best", "--out", "a.h5ad"), 7, "never changed"),
    ],
)
def test_a_mistake_is_one_short_error_and_leaves_nothing_behind(
    words: tuple[str, ...], code: int, says: str, tmp_path: Path
) -> None:
    (tmp_path / "sweeps").symlink_to(PROJECT / "sweeps")
    done = sslbench(*words, cwd=tmp_path)
    assert done.code == code, done.err
    assert done.err.startswith("error[")
    assert says in done.err
    assert len(done.err.splitlines()) <= 8
    assert done.out == ""
    assert [entry.name for entry in tmp_path.iterdir()] == ["sweeps"]


def test_cells_that_cannot_be_used_end_with_the_code_of_data(tmp_path: Path) -> None:
    adata = synthetic_adata(n_cells=60, n_genes=40)
    adata.X = adata.X * 0.5
    adata.write_h5ad(tmp_path / "half.h5ad")
    (tmp_path / "sweeps").symlink_to(PROJECT / "sweeps")
    keys = ("--label-key", "cell_type", "--donor-key", "donor")
    done = sslbench("sweep", "smoke", "--data", "half.h5ad", *keys, cwd=tmp_path)
    assert done.code == 3
    assert "half.h5ad" in done.err
    assert "Traceback" not in done.err


def test_list_names_everything_a_sweep_file_may_use() -> None:
    listed = {(kind, name) for kind, name, _ in known()}
    for registry in REGISTRIES:
        assert {(registry.noun, name) for name in registry.names()} <= listed
    assert {("data set", name) for name in dataset_names()} <= listed
    assert {("sweep", name) for name in sweep_names()} <= listed
    assert all(summary for _, _, summary in known())


def test_json_is_one_object_on_stdout_and_nothing_else() -> None:
    done = sslbench("list", "--format", "json")
    assert {row["name"] for row in json.loads(done.out)} >= {
        "masked",
        "mae_masking",
        "pbmc_cite",
    }
    assert done.err == ""


def test_an_unknown_format_is_refused() -> None:
    done = sslbench("list", "--format", "xml")
    assert done.code == 2
    assert done.out == ""


def test_check_prints_the_space_the_plan_and_an_estimate(tmp_path: Path) -> None:
    done = sslbench("check", "smoke", "--home", str(tmp_path))
    assert done.code == 0, done.err
    assert "pretext/mask_rate" in done.out
    assert "encoder/width=64" in done.out
    plan = "mae 3 · supervised 3 · pca 2 (all) · random_init 1 (all) · majority 1 (all)"
    assert plan in " ".join(done.err.split())
    assert "time" in done.err
    assert not (tmp_path / "ledger").exists()
