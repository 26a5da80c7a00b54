"""Ridge regression of all penalties at once against scikit-learn, one penalty after the other."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from sslbench.evaluation._ridge import PENALTIES, ridge_path


def cells(seed: int, n_cells: int, n_inputs: int) -> tuple[np.ndarray, np.ndarray]:
    weight = np.random.default_rng(7).normal(size=(n_inputs, 3))
    random = np.random.default_rng(seed)
    inputs = 5 + random.normal(size=(n_cells, n_inputs)) * np.linspace(0.1, 10, n_inputs)
    return inputs, inputs @ weight + random.normal(size=(n_cells, 3))


SHAPES = pytest.mark.parametrize("n_cells, n_inputs", [(60, 5), (20, 40)])


@SHAPES
@pytest.mark.parametrize("penalty", [PENALTIES[0], 0.1, PENALTIES[-1]])
def test_predictions_are_those_of_scikit_learn(n_cells, n_inputs, penalty):
    train, targets = cells(0, n_cells, n_inputs)
    query, _ = cells(1, 30, n_inputs)
    scaler = StandardScaler().fit(train)
    # scikit-learn adds the penalty to the sum over cells, this one to the mean
    slow = Ridge(alpha=penalty * n_cells).fit(scaler.transform(train), targets)
    found = ridge_path(train, targets).predict(query, penalty=penalty)
    np.testing.assert_allclose(
        found.rows(np.arange(30)), slow.predict(scaler.transform(query)), rtol=1e-4, atol=1e-4
    )


@SHAPES
def test_the_errors_of_all_penalties_are_those_of_their_predictions(n_cells, n_inputs):
    path = ridge_path(*cells(0, n_cells, n_inputs))
    query, truth = cells(1, 30, n_inputs)
    predicted = [path.predict(query, penalty=p).rows(np.arange(30)) for p in PENALTIES]
    expected = [np.square(truth - p).mean() for p in predicted]
    np.testing.assert_allclose(path.errors(query, truth), expected, rtol=1e-5)


def test_inputs_that_are_the_same_for_all_cells_predict_the_mean():
    targets = np.random.default_rng(0).normal(size=(30, 2))
    path = ridge_path(np.full((30, 4), 0.37), targets)
    found = path.predict(np.full((5, 4), 9.0), penalty=PENALTIES[0]).rows(np.arange(5))
    np.testing.assert_allclose(found, np.tile(targets.mean(axis=0), (5, 1)))


def test_an_input_given_twice_is_one_direction():
    inputs, targets = cells(0, 60, 4)
    twice = ridge_path(np.hstack([inputs, inputs]), targets)
    assert len(twice.strength) == 4
