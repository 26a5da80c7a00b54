"""The regression of the linear probe against a minimiser of its written objective, and what it must not be moved by."""

import warnings

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning

from sslbench.probe import fit_probe


def blobs(seed: int, n_cells: int, dim: int = 8) -> tuple[np.ndarray, np.ndarray]:
    centres = 1.5 * np.random.default_rng(5).normal(size=(4, dim))
    random = np.random.default_rng(seed)
    label = random.choice(4, size=n_cells, p=[0.6, 0.25, 0.1, 0.05])
    return centres[label] + random.normal(size=(n_cells, dim)), label


def probe_labels(
    query: np.ndarray, *, reference: np.ndarray, label: np.ndarray, c: float
) -> np.ndarray:
    return fit_probe(reference, label, c=c).labels(query)


def slow_scores(
    query: np.ndarray, *, reference: np.ndarray, label: np.ndarray, c: float
) -> np.ndarray:
    """Minimise |W|^2/2 + C * sum of class-weighted cross-entropies, written out, to full precision."""
    mean, spread = reference.mean(0), reference.std(0)
    x = np.hstack([(reference - mean) / spread, np.ones((len(reference), 1))])
    truth = np.eye(label.max() + 1)[label]
    weight = (len(label) / (truth.shape[1] * truth.sum(0)))[label]

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w = flat.reshape(x.shape[1], truth.shape[1])
        p = softmax(x @ w, axis=1)
        loss = -(weight * np.log(p[truth > 0])).sum()
        gradient = c * x.T @ (weight[:, None] * (p - truth))
        gradient[:-1] += w[:-1]
        return c * loss + np.square(w[:-1]).sum() / 2, gradient.ravel()

    start = np.zeros(x.shape[1] * truth.shape[1])
    options = {"gtol": 1e-10, "ftol": 0.0, "maxiter": 10_000}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options).x
    w = found.reshape(x.shape[1], truth.shape[1])
    return np.hstack([(query - mean) / spread, np.ones((len(query), 1))]) @ w


@pytest.mark.parametrize("c", [0.01, 1.0])
def test_predictions_are_those_of_the_minimum_of_the_written_objective(c):
    reference, label = blobs(0, 150)
    query, _ = blobs(1, 200)
    scores = slow_scores(query, reference=reference, label=label, c=c)
    first_two = np.sort(scores, axis=1)[:, -2:]
    clear = (
        first_two[:, 1] - first_two[:, 0] > 0.02
    )  # nearer the border a solver's tolerance decides
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(
        probe_labels(query, reference=reference, label=label, c=c)[clear],
        scores.argmax(1)[clear],
    )


def test_scale_and_shift_of_a_dimension_change_no_prediction():
    reference, label = blobs(2, 150)
    query, _ = blobs(3, 100)
    scale, shift = np.array([1e-4, 1e3, 1, 1, 1, 1, 1, 1]), np.arange(8.0)
    moved = probe_labels(
        query * scale + shift, reference=reference * scale + shift, label=label, c=1.0
    )
    same = probe_labels(query, reference=reference, label=label, c=1.0)
    assert np.mean(moved == same) >= 0.99


def test_a_dimension_that_is_flat_but_for_rounding_changes_no_prediction():
    reference, label = blobs(4, 150)
    query, _ = blobs(5, 100)
    noise = np.random.default_rng(0).normal(size=(250, 1)) * 1e-7
    with_flat = probe_labels(
        np.hstack([query, 3 + noise[:100]]),
        reference=np.hstack([reference, 3 + noise[100:]]),
        label=label,
        c=1.0,
    )
    np.testing.assert_array_equal(
        with_flat, probe_labels(query, reference=reference, label=label, c=1.0)
    )


def test_one_label_only_is_everyones_prediction():
    reference, _ = blobs(6, 20)
    predicted = probe_labels(reference, reference=reference, label=np.full(20, 3), c=1.0)
    assert predicted.tolist() == [3] * 20


@pytest.mark.parametrize("c", [0.001, 1.0, 1000.0])
def test_it_converges_over_the_whole_range_of_c(c):
    reference, label = blobs(7, 300)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        predicted = probe_labels(reference, reference=reference, label=label, c=c)
    assert np.mean(predicted == label) > 0.6


@pytest.mark.parametrize("c", [0.01, 1.0])
def test_probabilities_are_the_softmax_of_the_written_objective(c):
    reference, label = blobs(0, 150)
    query, _ = blobs(1, 200)
    scores = slow_scores(query, reference=reference, label=label, c=c)
    found = fit_probe(reference, label, c=c).probabilities(query, n_labels=6)
    np.testing.assert_allclose(
        found[:, :4], softmax(scores, axis=1), atol=5e-3
    )  # what the tolerance of the solver leaves
    assert (found[:, 4:] == 0).all()


def test_of_one_label_only_the_probability_is_one():
    reference, _ = blobs(6, 20)
    found = fit_probe(reference, np.full(20, 1), c=1.0).probabilities(reference, n_labels=3)
    assert found.tolist() == [[0, 1, 0]] * 20


@pytest.mark.parametrize("n_known", [1, 2, 4])
def test_the_linear_form_gives_the_probabilities_of_the_probe(n_known: int) -> None:
    random = np.random.default_rng(3)
    label = np.array([0, 2, 3, 5])[random.integers(n_known, size=80)]
    reference = random.normal(size=(80, 4)) * [1, 10, 0.1, 3] + label[:, None] + 7
    query = reference + random.normal(size=reference.shape)
    probe = fit_probe(reference, label, c=0.5)
    weight, bias = probe.linear(n_labels=6)
    logits = query @ weight.T + bias
    assert np.isfinite(logits).all()
    expected = probe.probabilities(query, n_labels=6)
    np.testing.assert_allclose(softmax(logits, axis=1), expected, atol=1e-9)
    np.testing.assert_array_equal(logits.argmax(axis=1), probe.labels(query))
