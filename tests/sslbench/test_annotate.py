"""Annotation: the label with the largest logit and its softmax, by a model that carries a classifier."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import sslbench
from sslbench.checkpoint import load_classifier, load_encoder
from sslbench.config import TrialConfig
from sslbench.durable import sha256
from sslbench.errors import ConfigError, RefusedError
from sslbench.model_folder import CLASSIFIER, RECORD
from sslbench.trial import run_trial
from tests.factories import synthetic_adata, synthetic_store


def trained(folder: Path, pretext: str, encoder: dict[str, object]) -> Path:
    config = TrialConfig.model_validate(
        {
            "dataset": {"name": "synthetic"},
            "pretext": {"name": pretext},
            "encoder": encoder,
            "training": {"max_updates": 60, "evaluate_every": 30},
            "evaluation": [{"name": "knn"}],
        }
    )
    folder.mkdir()
    store = synthetic_store(folder)
    run_trial(config, store=store, workdir=folder, report=lambda _: None, score_test=True)
    return folder / "checkpoint"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    return trained(folder / "supervised", "supervised", {"name": "mlp", "width": 32})


def test_labels_and_probabilities_are_the_softmax_of_the_classifier(model: Path) -> None:
    adata = synthetic_adata()
    coverage = sslbench.annotate(adata, model=model)
    pulled = load_encoder(model)
    weights = load_file(model / CLASSIFIER)
    logits = pulled.embed(adata) @ weights["weight"].numpy().T + weights["bias"].numpy()
    soft = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert list(adata.obs["sslbench_label"]) == [
        pulled.label_names[i] for i in logits.argmax(axis=1)
    ]
    np.testing.assert_allclose(adata.obs["sslbench_prob"], soft.max(axis=1), rtol=1e-5)
    assert adata.obs["sslbench_prob"].dtype == np.float32
    assert tuple(adata.obs["sslbench_label"].cat.categories) == pulled.label_names
    assert coverage.fraction == 1
    assert adata.uns["sslbench_annotation"]["pretext"] == "supervised"


def test_a_trained_classifier_finds_the_types(model: Path) -> None:
    adata = synthetic_adata()
    sslbench.annotate(adata, model=model)
    same = adata.obs["sslbench_label"].astype(str) == adata.obs["cell_type"].astype(str)
    assert same.mean() > 0.8


def test_a_cell_without_counts_gets_no_label(model: Path) -> None:
    adata = synthetic_adata()
    counts = adata.X.tolil()
    counts[3] = 0
    adata.X = counts.tocsr()
    sslbench.annotate(adata, model=model)
    missing = adata.obs["sslbench_label"].isna()
    assert list(np.flatnonzero(missing)) == [3]
    assert (adata.obs["sslbench_prob"].isna() == missing).all()


def test_no_cells_are_no_error(model: Path) -> None:
    none = synthetic_adata()[:0].copy()
    sslbench.annotate(none, model=model)
    assert len(none.obs["sslbench_label"]) == 0


def test_nothing_else_of_the_object_changes(model: Path) -> None:
    adata, before = synthetic_adata(), synthetic_adata()
    sslbench.annotate(adata, model=model)
    assert (adata.X != before.X).nnz == 0
    assert set(adata.obs) - set(before.obs) == {"sslbench_label", "sslbench_prob"}
    assert adata.obs[list(before.obs)].equals(before.obs)


def test_a_model_without_a_classifier_says_what_to_do(tmp_path: Path) -> None:
    model = trained(tmp_path / "pca", "pca", {"name": "linear", "embedding_dim": 4})
    adata = synthetic_adata()
    with pytest.raises(ConfigError, match="no classifier") as error:
        sslbench.annotate(adata, model=model)
    assert "X_sslbench" in str(error.value)
    assert "sslbench_label" not in adata.obs


def copied(model: Path, folder: Path) -> Path:
    folder.mkdir()
    for file in model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def rewritten(model: Path, weights: dict[str, torch.Tensor]) -> None:
    """Replace the classifier and make the record agree, as someone malicious would."""
    before = sha256(model / CLASSIFIER)
    save_file(weights, model / CLASSIFIER)
    record = (model / RECORD).read_text()
    (model / RECORD).write_text(record.replace(before, sha256(model / CLASSIFIER)))


def test_a_changed_classifier_is_refused(model: Path, tmp_path: Path) -> None:
    other = copied(model, tmp_path / "other")
    with (other / CLASSIFIER).open("ab") as file:
        file.write(b"x")
    with pytest.raises(RefusedError, match="not as it was written"):
        load_classifier(other)


@pytest.mark.parametrize(
    "change",
    [
        lambda w: {"weight": w["weight"]},
        lambda w: w | {"more": w["bias"].clone()},
        lambda w: w | {"weight": w["weight"][:-1].clone()},
        lambda w: w | {"bias": w["bias"].double()},
        lambda w: w | {"bias": torch.full_like(w["bias"], torch.nan)},
    ],
    ids=["missing", "unknown", "other shape", "other type", "not finite"],
)
def test_other_tensors_than_a_classifier_has_are_refused(
    model: Path, tmp_path: Path, change
) -> None:
    other = copied(model, tmp_path / "other")
    rewritten(other, change(load_file(other / CLASSIFIER)))
    with pytest.raises(RefusedError, match="does not hold the weights"):
        load_classifier(other)


def test_a_pickle_in_its_place_is_refused(model: Path, tmp_path: Path) -> None:
    other = copied(model, tmp_path / "other")
    before = sha256(other / CLASSIFIER)
    torch.save({"weight": torch.zeros(1)}, other / CLASSIFIER)
    record = (other / RECORD).read_text()
    (other / RECORD).write_text(record.replace(before, sha256(other / CLASSIFIER)))
    with pytest.raises(RefusedError, match="does not hold the weights"):
        load_classifier(other)


def test_a_classifier_that_the_record_does_not_name_is_never_loaded(tmp_path: Path) -> None:
    model = trained(tmp_path / "pca", "pca", {"name": "linear", "embedding_dim": 4})
    save_file({"weight": torch.zeros(3, 4), "bias": torch.zeros(3)}, model / CLASSIFIER)
    with pytest.raises(ConfigError, match="no classifier"):
        load_classifier(model)


def test_loading_keeps_the_random_state(model: Path) -> None:
    before = torch.get_rng_state()
    load_classifier(model)
    assert torch.equal(torch.get_rng_state(), before)
