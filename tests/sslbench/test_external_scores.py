"""An embedding alone is scored by what needs nothing else, on the cells and labels that every arm is scored on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.neighbors import KNeighborsClassifier

from sslbench.config import EvaluationChoice
from sslbench.data.store import open_cells, read_manifest
from sslbench.errors import DivergedError
from sslbench.external_scores import score_embedding, tasks_of_embeddings
from tests.factories import synthetic_store


def choices(*given: dict[str, object]) -> list[EvaluationChoice]:
    return [EvaluationChoice.model_validate(one) for one in given]


KNN, PROBE = {"name": "knn", "k": 1}, {"name": "linear_probe"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_store(tmp_path_factory.mktemp("store"), n_donors=4)


def noisy_types(store: Path, *, noise: float = 0.6) -> np.ndarray:
    """An embedding of all rows of the store in which types overlap."""
    z = np.zeros((read_manifest(store).n_cells, 4), dtype=np.float32)
    for split in ("train", "val", "test"):
        cells = open_cells(store, split)
        z[cells.row_ids, cells.label] = 1
    drawn = np.random.default_rng(0).normal(scale=noise, size=z.shape)
    return (z + drawn).astype(np.float32)


def test_only_tasks_of_embedding_and_labels_are_left() -> None:
    given = choices(
        KNN, PROBE, {"name": "knn", "of": "projector"}, {"name": "head"}, {"name": "fine_tune"},
        {"name": "reconstruction"}, {"name": "decoder_reconstruction"}, {"name": "cross_modality"},
        {"name": "integration"},
    )  # fmt: skip
    assert set(tasks_of_embeddings(given)) == {"knn", "linear_probe"}
    assert tasks_of_embeddings(choices(KNN))["knn"].of == "encoder"


def test_the_output_of_a_projector_does_not_replace_the_embedding() -> None:
    given = choices(KNN, {"name": "knn", "of": "projector"})
    assert tasks_of_embeddings(given)["knn"].of == "encoder"


def test_scores_are_those_of_scikit_learn_fitted_on_training_cells(store: Path) -> None:
    z = noisy_types(store)
    tasks = tasks_of_embeddings(choices(KNN))
    found = score_embedding(z, store, tasks, label_fraction=1.0, seed=0)
    train = open_cells(store, "train")
    nearest = KNeighborsClassifier(1).fit(z[train.row_ids], train.label)
    for split in ("val", "test"):
        cells = open_cells(store, split)
        predicted = nearest.predict(z[cells.row_ids])
        expected = f1_score(cells.label, predicted, average="macro")
        assert found.scores[f"{split}/knn/macro_f1"] == pytest.approx(expected)
        if split == "test":
            assert found.predictions["predicted/knn"].tolist() == predicted.tolist()
            assert found.predictions["row_id"].tolist() == cells.row_ids.tolist()
            assert found.predictions["label"].tolist() == cells.label.tolist()


def test_a_probe_learns_from_training_cells_alone(store: Path) -> None:
    z = noisy_types(store)
    tasks = tasks_of_embeddings(choices(PROBE))
    found = score_embedding(z, store, tasks, label_fraction=1.0, seed=0)
    train, test = open_cells(store, "train"), open_cells(store, "test")
    probe = LogisticRegression(max_iter=1000).fit(z[train.row_ids], train.label)
    expected = f1_score(test.label, probe.predict(z[test.row_ids]), average="macro")
    assert found.scores["test/linear_probe/macro_f1"] == pytest.approx(expected, abs=0.08)
    noise = z.copy()
    noise[test.row_ids] = np.random.default_rng(1).normal(size=(len(test), 4))
    other = score_embedding(noise, store, tasks, label_fraction=1.0, seed=0)
    assert other.scores["val/linear_probe/macro_f1"] == found.scores["val/linear_probe/macro_f1"]
    assert other.scores["test/linear_probe/macro_f1"] < 0.6


def test_the_same_embedding_gives_the_same_scores_and_a_share_of_the_labels_counts(
    store: Path,
) -> None:
    z, tasks = noisy_types(store), tasks_of_embeddings(choices(KNN, PROBE))
    one, again = (score_embedding(z, store, tasks, label_fraction=1.0, seed=0) for _ in range(2))
    assert one.scores == again.scores
    fewer = score_embedding(z, store, tasks, label_fraction=0.2, seed=0)
    assert fewer.scores != one.scores


def test_an_embedding_that_is_not_finite_is_never_scored(store: Path) -> None:
    z = noisy_types(store)
    z[0, 0] = np.nan
    tasks = tasks_of_embeddings(choices(KNN))
    with pytest.raises(DivergedError):
        score_embedding(z, store, tasks, label_fraction=1.0, seed=0)
