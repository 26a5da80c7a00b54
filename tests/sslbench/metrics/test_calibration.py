"""Calibration against slow loops, in closed form, and on probabilities that are true by construction."""

import math

import numpy as np
import pytest

from sslbench.metrics.calibration import N_BINS, brier_score, expected_calibration_error

BOTH = pytest.mark.parametrize("score", [expected_calibration_error, brier_score])


def predicted(seed: int, n_cells: int = 500, n_labels: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Truth drawn from the probabilities themselves, a tenth unlabelled."""
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.full(n_labels, 0.5), size=n_cells)
    truth = np.array([random.choice(n_labels, p=row) for row in probabilities])
    return probabilities, np.where(random.random(n_cells) < 0.1, -1, truth)


def slow_ece(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Guo et al. 2017, equation 3, bin m being ((m - 1) / M, m / M]."""
    cells = [(max(row), int(np.argmax(row)) == t) for row, t in zip(probabilities, truth) if t >= 0]
    error = 0.0
    for m in range(1, N_BINS + 1):
        own = [(c, right) for c, right in cells if (m - 1) / N_BINS < c <= m / N_BINS]
        if own:
            gap = sum(right for _, right in own) / len(own) - sum(c for c, _ in own) / len(own)
            error += len(own) / len(cells) * abs(gap)
    return error


def slow_brier(probabilities: np.ndarray, truth: np.ndarray) -> float:
    cells = [(row, t) for row, t in zip(probabilities, truth) if t >= 0]
    squares = [sum((p - (k == t)) ** 2 for k, p in enumerate(row)) for row, t in cells]
    return sum(squares) / len(cells)


def test_the_error_equals_a_loop_over_bins():
    probabilities, truth = predicted(0)
    found = expected_calibration_error(probabilities, truth=truth)
    assert found == pytest.approx(slow_ece(probabilities, truth))


def test_brier_equals_a_loop_over_labels():
    probabilities, truth = predicted(1)
    assert brier_score(probabilities, truth=truth) == pytest.approx(
        slow_brier(probabilities, truth)
    )


def test_probabilities_that_are_true_have_little_error_and_overconfident_ones_more():
    probabilities, truth = predicted(2, n_cells=20_000)
    sharp = probabilities**4 / (probabilities**4).sum(axis=1, keepdims=True)
    assert expected_calibration_error(probabilities, truth=truth) < 0.02
    assert expected_calibration_error(sharp, truth=truth) > 0.1
    assert brier_score(probabilities, truth=truth) < brier_score(sharp, truth=truth)


@BOTH
def test_certainty_that_is_right_scores_zero(score):
    truth = np.array([0, 2, 1])
    assert score(np.eye(3)[truth], truth=truth) == 0


def test_certainty_that_is_wrong_scores_the_worst():
    truth, told = np.array([0, 2, 1]), np.array([1, 0, 2])
    assert expected_calibration_error(np.eye(3)[told], truth=truth) == 1
    assert brier_score(np.eye(3)[told], truth=truth) == 2


def test_a_confidence_on_the_border_of_two_bins_belongs_to_the_lower():
    """0.6 is the upper end of bin 9: beside a right 0.55 both errors add up within one bin."""
    probabilities = np.array([[0.6, 0.4], [0.55, 0.45]])
    found = expected_calibration_error(probabilities, truth=np.array([1, 0]))
    assert found == pytest.approx(abs(0.5 - 0.575))


@BOTH
def test_cells_without_a_label_count_for_nothing(score):
    probabilities, truth = predicted(3)
    kept = truth >= 0
    assert math.isclose(
        score(probabilities, truth=truth), score(probabilities[kept], truth=truth[kept])
    )


@BOTH
def test_no_labelled_cell_and_other_lengths_are_errors(score):
    probabilities, truth = predicted(4)
    with pytest.raises(ValueError, match="labelled"):
        score(probabilities, truth=np.full(500, -1))
    with pytest.raises(ValueError, match="predict every scored cell once"):
        score(probabilities, truth=truth[:-1])
