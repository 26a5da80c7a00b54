"""Each score against scikit-learn, against a slow loop from its definition, and in closed form."""

import numpy as np
import pytest
from sklearn import metrics as sk

from sslbench.metrics.classification import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    macro_f1,
    per_class_f1,
    weighted_f1,
)

N_LABELS = 7
SCORES = (accuracy, balanced_accuracy, macro_f1, weighted_f1)


def labels_and_predictions(seed: int, n_cells: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Truth uses labels 0-4 and -1; predictions wander over all seven labels, two of them nobody's."""
    random = np.random.default_rng(seed)
    truth = random.choice([-1, 0, 1, 2, 3, 4], size=n_cells, p=[0.1, 0.4, 0.25, 0.15, 0.08, 0.02])
    wrong = random.random(n_cells) < 0.4
    predicted = np.where(wrong | (truth < 0), random.integers(0, N_LABELS, n_cells), truth)
    return truth, predicted


def slow_f1(truth: np.ndarray, predicted: np.ndarray) -> dict[int, float]:
    f1 = {}
    for label in sorted({t for t in truth.tolist() if t >= 0}):
        hit = false_alarm = missed = 0
        for t, p in zip(truth.tolist(), predicted.tolist(), strict=True):
            if t < 0:
                continue
            hit += t == label and p == label
            false_alarm += t != label and p == label
            missed += t == label and p != label
        f1[label] = 2 * hit / (2 * hit + false_alarm + missed)
    return f1


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_scikit_learn_over_the_labels_that_are_there(seed):
    truth, predicted = labels_and_predictions(seed)
    t, p = truth[truth >= 0], predicted[truth >= 0]
    present = np.unique(t)
    arrays = {"truth": truth, "predicted": predicted, "n_labels": N_LABELS}
    assert macro_f1(**arrays) == pytest.approx(sk.f1_score(t, p, labels=present, average="macro"))
    assert weighted_f1(**arrays) == pytest.approx(
        sk.f1_score(t, p, labels=present, average="weighted")
    )
    assert accuracy(**arrays) == pytest.approx(sk.accuracy_score(t, p))
    assert balanced_accuracy(**arrays) == pytest.approx(
        sk.recall_score(t, p, labels=present, average="macro")
    )
    np.testing.assert_array_equal(
        confusion_matrix(**arrays), sk.confusion_matrix(t, p, labels=range(N_LABELS))
    )


@pytest.mark.parametrize("seed", range(3))
def test_f1_equals_a_loop_over_cells(seed):
    truth, predicted = labels_and_predictions(seed)
    slow = slow_f1(truth, predicted)
    f1 = per_class_f1(truth=truth, predicted=predicted, n_labels=N_LABELS)
    assert {label: f1[label] for label in slow} == pytest.approx(slow)
    assert macro_f1(truth=truth, predicted=predicted, n_labels=N_LABELS) == pytest.approx(
        sum(slow.values()) / len(slow)
    )


def test_a_label_without_true_cells_has_no_f1():
    f1 = per_class_f1(truth=np.array([0, 0, 2]), predicted=np.array([0, 1, 2]), n_labels=3)
    np.testing.assert_allclose(f1, [2 / 3, np.nan, 1.0])


def test_a_prediction_outside_the_true_labels_is_an_error_but_no_extra_label():
    truth = np.array([0, 0, 1, 1])
    inside = macro_f1(truth=truth, predicted=np.array([0, 0, 1, 0]), n_labels=3)
    outside = macro_f1(truth=truth, predicted=np.array([0, 0, 1, 2]), n_labels=3)
    assert inside == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert outside == pytest.approx((1 + 2 / 3) / 2)  # and not divided by three


def test_weighted_f1_weighs_a_label_by_its_true_cells():
    truth, predicted = np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0])
    assert weighted_f1(truth=truth, predicted=predicted, n_labels=2) == pytest.approx(
        0.75 * 6 / 7 + 0.25 * 0
    )


@pytest.mark.parametrize("score", SCORES)
def test_the_truth_as_prediction_scores_one(score):
    truth = np.array([2, 0, 0, 1, -1])
    assert score(truth=truth, predicted=np.abs(truth), n_labels=3) == 1.0


@pytest.mark.parametrize("score", SCORES)
def test_unlabelled_cells_change_no_score(score):
    truth, predicted = labels_and_predictions(0)
    kept = truth >= 0
    assert score(truth=truth, predicted=predicted, n_labels=N_LABELS) == score(
        truth=truth[kept], predicted=predicted[kept], n_labels=N_LABELS
    )


@pytest.mark.parametrize("score", SCORES)
def test_truth_and_prediction_cannot_be_swapped_by_position(score):
    with pytest.raises(TypeError):
        score(np.array([0]), np.array([0]), 1)


@pytest.mark.parametrize("score", [*SCORES, confusion_matrix, per_class_f1])
def test_nothing_labelled_is_an_error(score):
    with pytest.raises(ValueError, match="none of the 3 cells is labelled"):
        score(truth=np.full(3, -1), predicted=np.zeros(3, int), n_labels=2)


@pytest.mark.parametrize("predicted", [np.array([0, 2]), np.array([0, -1])])
def test_a_code_outside_the_label_set_is_an_error(predicted):
    with pytest.raises(ValueError, match="predicted must hold codes in"):
        accuracy(truth=np.array([0, 1]), predicted=predicted, n_labels=2)


def test_arrays_of_different_length_are_an_error():
    with pytest.raises(ValueError, match="predict every scored cell once"):
        accuracy(truth=np.array([0, 1]), predicted=np.array([0]), n_labels=2)
