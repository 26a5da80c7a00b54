"""A model folder explains itself, is whole or not there, gives back the same embedding, and runs nothing."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from torch import nn

import sslbench
from sslbench.checkpoint import embed, load_encoder, save_checkpoint
from sslbench.config import TrialConfig
from sslbench.durable import sha256
from sslbench.encoders.base import Encoder, build_encoder, embed_expression
from sslbench.errors import ConfigError, DataError, DivergedError, RefusedError, SetupError
from sslbench.model_folder import CheckpointRecord

GENES = tuple(f"GENE{i}" for i in range(30))
LABELS = ("T cell", "B cell `rm -rf`\n# Heading")
SCORES = {"val/knn/macro_f1": 0.8125, "test/knn/macro_f1": 0.75}
DATA = {"dataset": "pbmc_cite", "data_fingerprint": "abc", "licence": "MIT", "citation": "Hao 2021"}


def trial(encoder: str = "mlp") -> TrialConfig:
    return TrialConfig.model_validate(
        {
            "dataset": {"name": "pbmc_cite"},
            "pretext": {"name": "supervised"},
            "encoder": {"name": encoder, "embedding_dim": 8},
            "evaluation": [{"name": "knn"}],
            "seed": 3,
        }
    )


def network(config: TrialConfig) -> Encoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_encoder(config.encoder.name, config.encoder.options, n_genes=len(GENES))


def saved(folder: Path, *, encoder: str = "mlp") -> Path:
    config = trial(encoder)
    save_checkpoint(
        folder,
        encoder=network(config),
        classifier=nn.Linear(8, 2),
        config=config,
        genes=GENES,
        label_names=LABELS,
        scores=SCORES,
        provenance={"commit": "0" * 40, "dirty": "no"},
        data=DATA,
    )
    return folder


def test_a_model_that_is_given_away_does_not_tell_where_its_makers_files_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    folder = tmp_path / "model"
    save_checkpoint(
        folder,
        encoder=network(trial()),
        classifier=None,
        config=trial(),
        genes=GENES,
        label_names=LABELS,
        scores=SCORES,
        provenance={"programmes": "/home/ann/mine.gmt"},
        data=DATA,
    )
    texts = [file.read_bytes() for file in folder.iterdir()]
    assert any(b"~/mine.gmt" in text for text in texts)
    assert not any(b"/home/ann" in text for text in texts)
    load_encoder(folder)


def cells(n_cells: int = 20, genes: tuple[str, ...] = GENES) -> anndata.AnnData:
    counts = np.random.default_rng(0).poisson(1.5, size=(n_cells, len(genes)))
    return anndata.AnnData(
        sparse.csr_matrix(counts.astype(np.float32)),
        obs=pd.DataFrame({"donor": "d1"}, index=[f"cell{i}" for i in range(n_cells)]),
        var=pd.DataFrame(index=list(genes)),
    )


def rewrite(folder: Path, name: str, content: bytes) -> None:
    """Change a file and its hash in the record, as somebody with bad intentions would."""
    (folder / name).write_bytes(content)
    record = json.loads((folder / "checkpoint.json").read_text())
    record["files"][name] = sha256(folder / name)
    (folder / "checkpoint.json").write_text(json.dumps(record))


def change_record(folder: Path, **changes: object) -> None:
    record = json.loads((folder / "checkpoint.json").read_text())
    (folder / "checkpoint.json").write_text(json.dumps(record | changes))


@pytest.mark.parametrize("encoder, target_sum", [("mlp", 10_000.0), ("scvi", None)])
def test_a_folder_says_what_its_encoder_does_to_counts(tmp_path, encoder, target_sum):
    folder = saved(tmp_path / "model", encoder=encoder)
    record = json.loads((folder / "checkpoint.json").read_text())
    assert record["preprocessing"]["target_sum"] == target_sum
    card = (folder / "README.md").read_text()
    assert ("scaled to 10,000 a cell" in card) == (target_sum is not None)
    load_encoder(folder)
    of_the_other = {"mlp": None, "scvi": 10_000.0}[encoder]
    change_record(folder, preprocessing=record["preprocessing"] | {"target_sum": of_the_other})
    with pytest.raises(SetupError, match="another sslbench"):
        load_encoder(folder)


@pytest.mark.parametrize("encoder", ["linear", "mlp", "residual_mlp", "transformer"])
def test_a_loaded_encoder_gives_the_embedding_that_was_saved(tmp_path, encoder):
    pulled = load_encoder(saved(tmp_path / "model", encoder=encoder))
    counts = torch.from_numpy(cells().X.toarray())
    x = torch.log1p(counts * 10_000 / counts.sum(1, keepdim=True))
    expected = embed_expression(network(trial(encoder)), x).numpy()
    np.testing.assert_allclose(pulled.embed(cells()), expected, atol=1e-6)


def test_the_folder_holds_its_files_and_what_they_mean(tmp_path):
    folder = saved(tmp_path / "model")
    assert sorted(f.name for f in folder.iterdir()) == [
        "README.md", "checkpoint.json", "classifier.safetensors", "encoder.safetensors",
        "genes.txt", "labels.json",
    ]  # fmt: skip
    record = CheckpointRecord.model_validate_json((folder / "checkpoint.json").read_text())
    assert TrialConfig.model_validate(record.config) == trial()
    assert record.scores == SCORES
    assert record.files == {
        f.name: sha256(f) for f in folder.iterdir() if f.name != "checkpoint.json"
    }
    pulled = load_encoder(folder)
    assert (pulled.genes, pulled.label_names, pulled.scores) == (GENES, LABELS, SCORES)


def test_an_arm_without_a_classifier_leaves_none(tmp_path):
    config = trial("linear")
    save_checkpoint(
        tmp_path / "model", encoder=network(config), classifier=None, config=config, genes=GENES,
        label_names=LABELS, scores=SCORES, provenance={}, data=DATA,
    )  # fmt: skip
    assert not (tmp_path / "model" / "classifier.safetensors").exists()
    assert load_encoder(tmp_path / "model").embed(cells()).shape == (20, 8)


def test_the_model_card_says_what_was_learned_from_and_how_to_use_it(tmp_path):
    card = (saved(tmp_path / "model") / "README.md").read_text()
    for words in (
        "supervised/mlp", "`MIT`", "`Hao 2021`", "`abc`", "| `val/knn/macro_f1` | 0.8125 |", "30 genes",
        "sslbench.embed(adata", 'use_rep="X_sslbench"', "held-out donors", "0" * 40,
    ):  # fmt: skip
        assert words in card, words


def test_a_name_from_the_data_cannot_leave_its_code_span_in_the_card(tmp_path):
    card = (saved(tmp_path / "model") / "README.md").read_text()
    assert "`B cell 'rm -rf' # Heading`" in card
    assert "\n# Heading" not in card


def test_a_folder_is_never_overwritten(tmp_path):
    folder = saved(tmp_path / "model")
    before = sha256(folder / "checkpoint.json")
    with pytest.raises(SetupError, match="never overwritten"):
        saved(folder)
    assert sha256(folder / "checkpoint.json") == before


def test_a_failure_while_saving_leaves_nothing_behind(tmp_path):
    config = trial("linear")
    encoder = network(config)
    with torch.no_grad():
        next(encoder.parameters())[0, 0] = torch.nan
    with pytest.raises(DivergedError):
        save_checkpoint(
            tmp_path / "model", encoder=encoder, classifier=None, config=config, genes=GENES,
            label_names=LABELS, scores=SCORES, provenance={}, data=DATA,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_until_the_last_step_there_is_no_folder_under_its_name(tmp_path, monkeypatch):
    def crash(source: Path, target: Path) -> None:
        assert (Path(source) / "checkpoint.json").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", crash)
    with pytest.raises(KeyboardInterrupt):
        saved(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("genes", [("a", "a"), ("a", "b\nc"), ("a", "")])
def test_genes_that_are_no_distinct_lines_are_refused(tmp_path, genes):
    with pytest.raises(DataError, match="D132"):
        save_checkpoint(
            tmp_path / "model", encoder=network(trial("linear")), classifier=None,
            config=trial("linear"), genes=genes, label_names=LABELS, scores={}, provenance={},
            data=DATA,
        )  # fmt: skip


def test_loading_leaves_torchs_random_stream_alone(tmp_path):
    folder = saved(tmp_path / "model")
    before = torch.get_rng_state()
    load_encoder(folder)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "name", ["encoder.safetensors", "classifier.safetensors", "genes.txt", "labels.json"]
)
def test_a_file_that_was_changed_or_removed_is_refused_by_name(tmp_path, name):
    folder = saved(tmp_path / "model")
    content = bytearray((folder / name).read_bytes())
    content[-2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(RefusedError, match="SHA-256") as changed:
        load_encoder(folder)
    (folder / name).unlink()
    with pytest.raises(RefusedError, match="missing") as gone:
        load_encoder(folder)
    assert name in str(changed.value)
    assert name in str(gone.value)
    assert changed.value.exit_code == 7


def test_the_model_card_may_be_edited(tmp_path):
    folder = saved(tmp_path / "model")
    (folder / "README.md").write_text("our favourite")
    assert load_encoder(folder).genes == GENES


class _Payload:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("name", ["encoder.safetensors", "labels.json", "genes.txt"])
def test_a_pickle_in_a_models_clothes_is_refused_even_when_the_hash_was_adapted(tmp_path, name):
    folder = saved(tmp_path / "model")
    rewrite(folder, name, pickle.dumps(_Payload(tmp_path / "ran")))
    with pytest.raises(RefusedError):
        load_encoder(folder)
    assert not (tmp_path / "ran").exists()


def test_genes_that_do_not_fit_the_weights_are_refused(tmp_path):
    folder = saved(tmp_path / "model")
    rewrite(folder, "genes.txt", b"GENE0\nGENE1\n")
    with pytest.raises(RefusedError, match="2 genes, expected 30"):
        load_encoder(folder)
    change_record(folder, n_genes=2)
    with pytest.raises(RefusedError, match="has shape"):
        load_encoder(folder)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff\xfe", b'{"schema_version": 1}', b"{" * 100]
)
def test_a_damaged_record_is_one_clear_error(tmp_path, content):
    folder = saved(tmp_path / "model")
    (folder / "checkpoint.json").write_bytes(content)
    with pytest.raises((RefusedError, SetupError)) as caught:
        load_encoder(folder)
    assert "checkpoint.json" in str(caught.value)


@pytest.mark.parametrize("config", [{}, {"encoder": "mlp"}, {"encoder": {"name": 3}}])
def test_a_record_that_names_no_encoder_is_refused(tmp_path, config):
    folder = saved(tmp_path / "model")
    change_record(folder, config=config)
    with pytest.raises(RefusedError, match="must be named"):
        load_encoder(folder)


def test_a_newer_folder_asks_for_a_newer_sslbench(tmp_path):
    folder = saved(tmp_path / "model")
    change_record(folder, schema_version=99)
    with pytest.raises(SetupError, match="another sslbench"):
        load_encoder(folder)
    change_record(folder, schema_version=1, preprocessing={"target_sum": 1e6})
    with pytest.raises(SetupError, match="another sslbench"):
        load_encoder(folder)


def test_no_model_folder_is_an_error_that_says_how_to_get_one(tmp_path):
    with pytest.raises(ConfigError, match="no model folder") as caught:
        embed(cells(), model=tmp_path / "best")
    assert "make pull TO=best" in str(caught.value)
    assert "sslbench pull --to best" in str(caught.value)


def test_embed_adds_the_embedding_and_its_provenance_and_nothing_else(tmp_path):
    folder, adata = saved(tmp_path / "model"), cells()
    before = adata.copy()
    coverage = sslbench.embed(adata, model=folder)
    assert coverage.n_genes_found == 30
    assert adata.obsm["X_sslbench"].dtype == np.float32
    np.testing.assert_array_equal(adata.obsm["X_sslbench"], load_encoder(folder).embed(before))
    assert adata.uns["sslbench"]["weights_sha256"] == sha256(folder / "encoder.safetensors")
    del adata.obsm["X_sslbench"], adata.uns["sslbench"]
    assert (adata.X != before.X).nnz == 0
    pd.testing.assert_frame_equal(adata.obs, before.obs)
    pd.testing.assert_frame_equal(adata.var, before.var)
    assert not [*adata.obsm, *adata.uns, *adata.layers, *adata.obsp]


def test_an_embedded_file_can_be_written_and_read_back(tmp_path):
    adata = cells()
    embed(adata, model=saved(tmp_path / "model"), key="X_mine")
    adata.write_h5ad(tmp_path / "embedded.h5ad")
    back = anndata.read_h5ad(tmp_path / "embedded.h5ad")
    np.testing.assert_array_equal(back.obsm["X_mine"], adata.obsm["X_mine"])
    assert back.uns["sslbench"] == adata.uns["sslbench"]


def test_refused_cells_are_left_without_an_embedding(tmp_path):
    adata = cells(genes=tuple(f"OTHER{i}" for i in range(30)))
    with pytest.raises(DataError, match="D130"):
        embed(adata, model=saved(tmp_path / "model"))
    assert not [*adata.obsm, *adata.uns]


@pytest.mark.parametrize("key", ["", "a/b", "../x", "a\0b"])
def test_a_key_that_an_h5ad_cannot_hold_is_refused(tmp_path, key):
    with pytest.raises(ConfigError, match="C031"):
        embed(cells(), model=tmp_path, key=key)


_WITHOUT = """
import sys
for name in ("ray", "mlflow", "optuna"):
    sys.modules[name] = None
import anndata, sslbench
adata = anndata.read_h5ad(sys.argv[2])
sslbench.embed(adata, model=sys.argv[1])
assert sslbench.load_encoder(sys.argv[1]).embed(adata).shape == adata.obsm["X_sslbench"].shape
print(adata.obsm["X_sslbench"].shape)
"""


def fresh_python(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_embedding_needs_neither_ray_nor_mlflow_nor_optuna(tmp_path):
    cells().write_h5ad(tmp_path / "cells.h5ad")
    folder = saved(tmp_path / "model")
    assert fresh_python(_WITHOUT, str(folder), str(tmp_path / "cells.h5ad")) == "(20, 8)\n"


def test_importing_sslbench_imports_nothing_heavy():
    heavy = fresh_python(
        "import sslbench, sys; print({'torch', 'anndata', 'pandas', 'pydantic', 'numpy'} & set(sys.modules))"
    )
    assert heavy == "set()\n"


def test_public_names_resolve_and_others_do_not():
    assert sslbench.TrialConfig is TrialConfig
    assert sslbench.load_encoder is load_encoder
    assert "run_trial" in dir(sslbench)
    with pytest.raises(AttributeError, match="no attribute 'embedd'"):
        sslbench.embedd  # noqa: B018
