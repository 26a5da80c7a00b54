"""Trials of the baselines that are no networks: what they are scored by, what they may see, and what they leave."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anndata
import pandas as pd
import pytest
import torch

from sslbench.checkpoint import annotate, load_classifier, load_encoder
from sslbench.config import TrialConfig
from sslbench.data.catalogue import load_dataset
from sslbench.data.store import prepare_store
from sslbench.results import TrialResult
from tests.sslbench.test_trial import BY_ENCODER, noisy_test_donor, run

IDENTITY, LINEAR = {"name": "identity"}, {"name": "linear", "embedding_dim": 16}
CLASSIFIERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "logistic_regression on genes": ({"name": "logistic_regression", "c": 0.1}, IDENTITY),
    "logistic_regression on components": ({"name": "logistic_regression"}, LINEAR),
    "nearest_neighbours on genes": ({"name": "nearest_neighbours"}, IDENTITY),
    "nearest_neighbours on components": ({"name": "nearest_neighbours", "k": 9}, LINEAR),
    "gradient_boosting": ({"name": "gradient_boosting", "max_iter": 5}, IDENTITY),
    "lightgbm": ({"name": "lightgbm", "n_estimators": 5}, IDENTITY),
    "majority": ({"name": "majority"}, LINEAR),
    "shuffled_labels": ({"name": "shuffled_labels"}, LINEAR),
}
ARMS = CLASSIFIERS | {
    "hvg": ({"name": "hvg"}, IDENTITY),
    "scvi": ({"name": "scvi", "max_epochs": 5}, {"name": "scvi"}),
}
NEEDS_SCVI = pytest.mark.skipif(
    find_spec("scvi") is None, reason="needs scvi-tools: pip install 'sslbench[scvi]'"
)
EVERY_ARM = pytest.mark.parametrize(
    "arm", [pytest.param(a, marks=NEEDS_SCVI if a == "scvi" else ()) for a in ARMS]
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("stores")
    return prepare_store(load_dataset("pbmc_cite"), n_top_genes=100, root=root)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same cells but for those of the test donor, which are noise."""
    root = tmp_path_factory.mktemp("noisy")
    return prepare_store(noisy_test_donor(root), n_top_genes=100, root=root / "stores")


def config(arm: str, *, seed: int = 0) -> TrialConfig:
    pretext, encoder = ARMS[arm]
    return TrialConfig.model_validate(
        {
            "dataset": {"name": "pbmc_cite", "n_top_genes": 100},
            "pretext": pretext,
            "encoder": encoder,
            "evaluation": BY_ENCODER,
            "objective": "val/head/macro_f1" if arm in CLASSIFIERS else "val/knn/macro_f1",
            "seed": seed,
        }
    )


def tasks_of(result: TrialResult) -> set[str]:
    return {key.split("/")[1] for key in result.scores}


@pytest.mark.parametrize("arm", CLASSIFIERS)
def test_a_classifier_without_an_embedding_of_its_own_is_scored_by_its_head_alone(
    arm: str, store: Path, tmp_path: Path
) -> None:
    assert tasks_of(run(config(arm), store, tmp_path)) == {"head"}


@pytest.mark.parametrize("arm", ["hvg", pytest.param("scvi", marks=NEEDS_SCVI)])
def test_an_embedding_without_labels_is_scored_by_the_protocols_of_embeddings(
    arm: str, store: Path, tmp_path: Path
) -> None:
    assert tasks_of(run(config(arm), store, tmp_path)) == {"knn", "linear_probe"}


@EVERY_ARM
def test_noise_in_test_cells_changes_nothing_that_was_learned_or_chosen(
    arm: str, store: Path, noisy: Path, tmp_path: Path
) -> None:
    clean = run(config(arm), store, tmp_path / "clean", test=True)
    other = run(config(arm), noisy, tmp_path / "noisy", test=True)
    chosen_by = {key: v for key, v in clean.scores.items() if key.startswith("val/")}
    assert chosen_by
    assert chosen_by == {key: v for key, v in other.scores.items() if key.startswith("val/")}
    if arm != "majority":  # which looks at no cell
        assert clean.scores != other.scores


@EVERY_ARM
def test_the_same_seed_gives_equal_scores_and_predictions(
    arm: str, store: Path, tmp_path: Path
) -> None:
    first = run(config(arm, seed=3), store, tmp_path / "a", test=True)
    torch.manual_seed(7)
    again = run(config(arm, seed=3), store, tmp_path / "b", test=True)
    assert first.scores == again.scores
    frames = [pd.read_parquet(tmp_path / side / "predictions.parquet") for side in "ab"]
    pd.testing.assert_frame_equal(*frames)


def test_the_control_of_permuted_labels_is_another_one_each_seed_and_far_below_the_regression(
    store: Path, tmp_path: Path
) -> None:
    def score(arm: str, seed: int) -> float:
        result = run(config(arm, seed=seed), store, tmp_path / f"{arm}{seed}")
        return result.scores["val/head/macro_f1"]

    shuffled = [score("shuffled_labels", seed) for seed in range(3)]
    assert len(set(shuffled)) == 3
    assert max(shuffled) < 0.35 < score("logistic_regression on components", 0)


@pytest.mark.parametrize("arm", ["logistic_regression on genes", "logistic_regression on components"])  # fmt: skip
def test_a_regression_leaves_a_model_that_annotates_cells_as_the_trial_did(
    arm: str, store: Path, tmp_path: Path
) -> None:
    run(config(arm), store, tmp_path, test=True)
    model = load_encoder(tmp_path / "checkpoint")
    assert isinstance(load_classifier(tmp_path / "checkpoint"), torch.nn.Linear)
    adata = anndata.read_h5ad(load_dataset("pbmc_cite").file)
    annotate(adata, model=tmp_path / "checkpoint")
    frame = pd.read_parquet(tmp_path / "predictions.parquet")
    predicted = [model.label_names[code] for code in frame["predicted/head"]]
    tested = adata[(adata.obs["donor"] == "p4").to_numpy()]
    assert list(tested.obs["sslbench_label"]) == predicted


@pytest.mark.parametrize("arm", ["nearest_neighbours on genes", "gradient_boosting", "lightgbm"])
def test_what_is_no_tensors_or_the_training_cells_themselves_leaves_predictions_and_no_model(
    arm: str, store: Path, tmp_path: Path
) -> None:
    run(config(arm), store, tmp_path, test=True)
    assert {file.name for file in tmp_path.iterdir()} == {"predictions.parquet", "units.parquet"}


@NEEDS_SCVI
def test_a_model_of_scvi_embeds_cells_where_scvi_tools_is_not(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(config("scvi"), store, tmp_path, test=True)
    monkeypatch.setitem(sys.modules, "scvi", None)
    z = load_encoder(tmp_path / "checkpoint").embed(
        anndata.read_h5ad(load_dataset("pbmc_cite").file)
    )
    assert z.shape == (1200, 10)
    assert z.std(axis=0).min() > 0
