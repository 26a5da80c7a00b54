"""Probabilities that are right by construction are calibrated, and those of a probe that learnt too little are not."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from sslbench.evaluation.base import Embedded, Evaluation
from sslbench.evaluation.calibration import C, Calibration, K, Options
from sslbench.evaluation.knn import Options as KnnOptions
from sslbench.evaluation.linear_probe import Options as LinearProbeOptions
from sslbench.metrics.calibration import brier_score, expected_calibration_error


def embedded(z: np.ndarray, label: np.ndarray) -> Embedded:
    return Embedded(z=z.astype(np.float32), label=label, label_names=("a", "b"))


def scored(train: Embedded, test: Embedded, of_probe: str) -> Evaluation:
    task = Calibration(Options.model_validate({"of_probe": of_probe}))
    return task.fit(train=train, val=test, generator=np.random.default_rng(0))(test)


def places(n_places: int, *, right: int) -> Embedded:
    """Five cells at each of some places far apart, `right` of them of the one type and the others of the other."""
    place = np.repeat(np.arange(n_places), 5)
    label = (place + (np.tile(np.arange(5), n_places) >= right)) % 2
    return embedded(100.0 * place[:, None], label)


@pytest.mark.parametrize("right", [3, 4, 5])
def test_votes_that_are_as_often_right_as_they_say_have_no_error(right):
    found = scored(places(8, right=right), places(8, right=right), "knn").scores
    assert found["ece"] == pytest.approx(0, abs=1e-12)
    assert found["brier"] == pytest.approx(2 * (right / 5) * (1 - right / 5))


def test_votes_that_are_always_sure_and_wrong_half_of_the_time_have_an_error_of_a_half():
    test = places(8, right=5)
    half = embedded(test.z, np.where(np.arange(40) % 2 == 0, test.label, 1 - test.label))
    assert scored(places(8, right=5), half, "knn").scores["ece"] == pytest.approx(0.5)


def two_types(seed: int, n_cells: int = 4_000) -> Embedded:
    """Two equally common normal types: logistic regression is the true model."""
    random = np.random.default_rng(seed)
    label = np.arange(n_cells) % 2
    return embedded(label[:, None] + random.normal(size=(n_cells, 1)), label)


def test_a_regression_of_the_true_form_is_calibrated():
    found = scored(two_types(0), two_types(1), "linear_probe").scores
    assert found["ece"] < 0.03
    assert 0.6 < found["macro_f1"] < 0.75


def test_the_probe_of_knn_gives_the_scores_of_the_probabilities_of_scikit_learn():
    train, test = two_types(0, 300), two_types(1, 200)
    model = KNeighborsClassifier(K).fit(train.z, train.label)
    probabilities = model.predict_proba(test.z)
    found = scored(train, test, "knn").scores
    assert found["ece"] == pytest.approx(
        expected_calibration_error(probabilities, truth=test.label), abs=1e-6
    )
    assert found["brier"] == pytest.approx(brier_score(probabilities, truth=test.label), abs=1e-6)


def test_both_probes_are_those_of_the_protocols_of_that_name():
    assert (KnnOptions().k, LinearProbeOptions().c) == (K, C)
