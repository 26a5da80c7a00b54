"""The commands as a newcomer types them, through make, in a fresh clone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import anndata
import pytest
import scanpy as sc

import sslbench
from tests.factories import synthetic_adata

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]
ENVIRONMENT = Path(sys.prefix)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the committed tree; the environment is the running one, with the clone's own code."""
    folder = tmp_path_factory.mktemp("newcomer") / "sslbench"
    subprocess.run(["git", "clone", "-q", str(PROJECT), str(folder)], check=True)
    return folder


def make(clone: Path, *words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "RAY_"))}
    environment["PYTHONPATH"] = str(clone)
    # READY= leaves nothing to install: the environment that runs these tests is used
    command = ["make", *words, f"VENV={ENVIRONMENT}", "READY="]
    done = subprocess.run(
        command,
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == expect, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def table(output: str) -> list[str]:
    return [line.rstrip() for line in output.splitlines() if "/mlp" in line or "/linear" in line]


def test_a_sweep_ends_in_a_leaderboard_resumes_in_seconds_and_its_winner_goes_into_scanpy(
    clone: Path,
) -> None:
    done = make(clone, "sweep", "SWEEP=smoke")
    assert "sslbench sweep smoke" in done.stdout  # the command is echoed
    assert "verdict" in done.stdout
    assert (clone / "tracking" / "reports" / "smoke.pbmc_cite.html").is_file()
    assert (clone / "tracking" / "mlflow.db").is_file()

    started = time.monotonic()
    again = make(clone, "sweep", "SWEEP=smoke")
    assert "23 of 23 trials are in the ledger" in again.stderr
    assert table(again.stdout) == table(done.stdout)
    assert len(table(done.stdout)) == 13  # six arms in each of the two tables, and the verdict
    assert time.monotonic() - started < 60  # a hang, not a figure

    ranked = make(clone, "leaderboard", "SWEEP=smoke")
    assert table(ranked.stdout) == table(done.stdout)
    make(clone, "pull", "TO=best")
    left = subprocess.run(
        ["git", "status", "--short"], cwd=clone, capture_output=True, text=True, check=True
    )
    assert left.stdout == ""

    adata = anndata.read_h5ad(clone / "sslbench" / "data" / "bundled" / "pbmc_cite.h5ad")
    sslbench.embed(adata, model=clone / "best")
    sc.pp.neighbors(adata, use_rep="X_sslbench")
    assert adata.obsm["X_sslbench"].shape[0] == adata.obsp["connectivities"].shape[0] == 1200


def test_the_users_own_cells_run_the_same_sweep_and_mistakes_are_told_at_once(
    clone: Path, tmp_path: Path
) -> None:
    file = tmp_path / "mine.h5ad"
    synthetic_adata(n_cells=400, n_genes=120, n_donors=4).write_h5ad(file)
    columns = anndata.read_h5ad(file).obs.columns
    assert {"cell_type", "donor"} <= set(columns)
    few = "-o budget.trials=2 -o budget.confirm_seeds=2 -o dataset.n_top_genes=100"
    keys = "--label-key cell_type --donor-key donor"
    done = make(clone, "sweep", "SWEEP=smoke", f"DATA={file}", f"ARGS={keys} {few}")
    assert "mine" in done.stderr
    assert "verdict" in done.stdout

    wrong = f"DATA={file}"
    refused = make(
        clone,
        "sweep",
        "SWEEP=smoke",
        wrong,
        "ARGS=--label-key celltype --donor-key donor",
        expect=2,
    )
    assert "error[D140]" in refused.stderr
    assert "cell_type" in refused.stderr
    assert "Traceback" not in refused.stderr
