"""The area under the ROC curve against scikit-learn and against a loop over pairs."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from sslbench.metrics.detection import auroc


def scored(seed: int, n_cells: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Scores with ties, larger for positives."""
    random = np.random.default_rng(seed)
    positive = random.random(n_cells) < 0.3
    return np.round(random.normal(size=n_cells) + positive, 1), positive


def slow_auroc(score: np.ndarray, positive: np.ndarray, weight: np.ndarray) -> float:
    won = pairs = 0.0
    for p in np.flatnonzero(positive):
        for n in np.flatnonzero(~positive):
            pair = weight[p] * weight[n]
            won += pair * (1.0 if score[p] > score[n] else 0.5 if score[p] == score[n] else 0.0)
            pairs += pair
    return won / pairs


def test_each_unit_equals_a_loop_over_pairs():
    score, positive = scored(0)
    weights = np.random.default_rng(1).integers(0, 4, (5, 60)).astype(np.float32)
    expected = [slow_auroc(score, positive, weight) for weight in weights]
    np.testing.assert_allclose(auroc(score, positive=positive, weights=weights), expected)


def test_equal_weights_equal_scikit_learn():
    score, positive = scored(2)
    found = auroc(score, positive=positive, weights=np.ones((1, 60)))
    assert found[0] == pytest.approx(roc_auc_score(positive, score))


def test_perfect_reversed_and_constant_scores():
    positive = np.array([True, False, True, False])
    one = np.ones((1, 4))
    assert auroc(positive.astype(float), positive=positive, weights=one)[0] == 1
    assert auroc(-positive.astype(float), positive=positive, weights=one)[0] == 0
    assert auroc(np.zeros(4), positive=positive, weights=one)[0] == 0.5


def test_a_unit_without_cells_of_one_kind_has_no_score():
    score, positive = scored(3)
    weights = np.stack([positive, ~positive, np.ones(60, dtype=bool)])
    found = auroc(score, positive=positive, weights=weights)
    np.testing.assert_array_equal(np.isnan(found), [True, True, False])
