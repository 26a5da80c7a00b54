"""`sslbench embed`: a file in, a copy with the embedding out, and nothing lost on the way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pytest
import torch

from sslbench.config import TrialConfig
from sslbench.data.store import open_cells
from sslbench.trial import run_trial
from tests.factories import synthetic_adata, synthetic_store
from tests.sslbench.cli.typed import Typed, typed

# Neither Ray nor MLflow is needed: importing one of them is an error here.
BLOCKED = """
import sys
for name in ("ray", "mlflow", "optuna"):
    sys.modules[name] = None
from sslbench.cli import main
sys.argv = ["sslbench", *sys.argv[1:]]
main()
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    store = synthetic_store(folder)
    config = TrialConfig.model_validate(
        {
            "dataset": {"name": "synthetic"},
            "pretext": {"name": "pca"},
            "encoder": {"name": "linear", "embedding_dim": 4},
            "evaluation": [{"name": "knn"}],
        }
    )
    run_trial(config, store=store, workdir=folder, report=lambda _: None, score_test=True)
    assert len(open_cells(store, "train"))
    return folder / "checkpoint"


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    file = tmp_path / "my.h5ad"
    synthetic_adata().write_h5ad(file)
    return file


def embed(*words: object) -> Typed:
    return typed("embed", *map(str, words))


def embed_where_nobody_searches(*words: object) -> Typed:
    command = [sys.executable, "-c", BLOCKED, "embed", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return Typed(done.returncode, done.stdout, done.stderr, cpu_seconds=0.0)


def test_the_copy_has_the_embedding_and_its_provenance_and_the_input_is_as_it_was(
    model: Path, cells: Path, tmp_path: Path
) -> None:
    before, out = cells.read_bytes(), tmp_path / "new folder" / "embedded.h5ad"
    done = embed_where_nobody_searches(cells, "--model", model, "--out", out)
    assert done.code == 0, done.err
    assert "60 of the model's 60 genes found (100%)" in done.err
    assert cells.read_bytes() == before
    adata, original = anndata.read_h5ad(out), anndata.read_h5ad(cells)
    assert adata.obsm["X_sslbench"].dtype == np.float32
    assert adata.obsm["X_sslbench"].shape == (original.n_obs, 4)
    assert adata.uns["sslbench"]["pretext"] == "pca"
    assert (adata.obs_names == original.obs_names).all()
    assert (adata.X != original.X).nnz == 0


def test_a_file_at_out_is_replaced_only_if_asked(model: Path, cells: Path, tmp_path: Path) -> None:
    out = tmp_path / "precious.h5ad"
    out.write_text("precious")
    refused = embed(cells, "--model", model, "--out", out)
    assert refused.code == 7
    assert "--force" in refused.err
    assert out.read_text() == "precious"
    assert embed(cells, "--model", model, "--out", out, "--force").code == 0
    assert "X_sslbench" in anndata.read_h5ad(out).obsm


def test_the_slot_of_the_counts_can_be_named(model: Path, tmp_path: Path) -> None:
    adata = synthetic_adata()
    adata.layers["counts"] = adata.X * 2
    adata.write_h5ad(tmp_path / "two.h5ad")
    found = {}
    for slot in ("X", "layers/counts"):
        out = tmp_path / "out.h5ad"
        done = embed(
            tmp_path / "two.h5ad", "--model", model, "--out", out, "--counts", slot, "--force"
        )
        assert done.code == 0, done.err
        found[slot] = anndata.read_h5ad(out).uns["sslbench"]["counts_slot"]
    assert found == {"X": "X", "layers/counts": "layers/counts"}


def test_cells_that_are_refused_leave_no_file(model: Path, tmp_path: Path) -> None:
    adata = synthetic_adata()
    adata.var_names = [f"foreign{i}" for i in range(adata.n_vars)]
    adata.write_h5ad(tmp_path / "foreign.h5ad")
    done = embed(tmp_path / "foreign.h5ad", "--model", model, "--out", tmp_path / "out.h5ad")
    assert done.code == 3
    assert "error[D130]" in done.err
    assert sorted(f.name for f in tmp_path.iterdir()) == ["foreign.h5ad"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_one_clear_error(
    model: Path, cells: Path, tmp_path: Path
) -> None:
    done = embed(cells, "--model", model, "--out", tmp_path / "out.h5ad", "--device", "cuda")
    assert done.code == 4
    assert "error[S014] there is no GPU" in done.err
    assert not (tmp_path / "out.h5ad").exists()
