"""Inputs are measured in the units of the cells that something is fitted on."""

import numpy as np
from sklearn.preprocessing import StandardScaler

from sslbench.standardisation import Standardisation


def test_it_is_that_of_scikit_learn_fitted_on_the_same_cells():
    random = np.random.default_rng(0)
    train, other = random.gamma(2, 3, (2, 50, 4))
    expected = StandardScaler().fit(train).transform(other)
    np.testing.assert_allclose(Standardisation.of(train)(other), expected, atol=1e-12)


def test_a_dimension_that_varies_by_rounding_only_is_moved_and_not_blown_up():
    train = np.full((50, 2), 7.0) + np.array([0.0, 1e-7]) * np.arange(50)[:, None] / 50
    found = Standardisation.of(train)(train + 1)
    np.testing.assert_allclose(found, 1, atol=1e-6)
