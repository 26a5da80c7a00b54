"""Regression scores against scikit-learn and scipy; weights are copies of cells; blocks and tables change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import explained_variance_score, mean_squared_error

from sslbench.metrics import regression
from sslbench.metrics.regression import (
    Moments,
    TotalVariance,
    explained_fraction,
    explained_variance,
    explained_variance_uniform,
    mean_over_varying,
    moments,
    mse,
    pearson_per_cell,
    pearson_per_feature,
    pearson_pooled,
)

SCORES = [
    explained_variance,
    explained_variance_uniform,
    mse,
    pearson_per_cell,
    pearson_per_feature,
    pearson_pooled,
]
EVERY = pytest.mark.parametrize("score", SCORES, ids=[score.__name__ for score in SCORES])


def some(seed: int = 0, n_cells: int = 40, n_features: int = 7) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.gamma(2, 1, (n_cells, n_features)) * random.uniform(0.1, 5, n_features) + 3
    return truth, 0.6 * truth + random.normal(0, 1, truth.shape)


def slow_mean_pearson(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Of each column, one after the other."""
    found = []
    for y, p in zip(truth.T, predicted.T):
        if np.ptp(y) > 0:
            found.append(pearsonr(y, p).statistic if np.ptp(p) > 0 else 0.0)
    return float(np.mean(found))


REFERENCES = {
    explained_variance: lambda y, p: explained_variance_score(
        y, p, multioutput="variance_weighted"
    ),
    explained_variance_uniform: lambda y, p: explained_variance_score(
        y, p, multioutput="uniform_average"
    ),
    mse: mean_squared_error,
    pearson_per_feature: slow_mean_pearson,
    pearson_per_cell: lambda y, p: slow_mean_pearson(y.T, p.T),
    pearson_pooled: lambda y, p: pearsonr(y.ravel(), p.ravel()).statistic,
}


@EVERY
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_score_is_that_of_scikit_learn_or_scipy(score, dtype):
    truth, predicted = (values.astype(dtype) for values in some())
    found = score(truth=truth, predicted=predicted)
    assert found.shape == (1,)
    expected = REFERENCES[score](truth.astype(np.float64), predicted.astype(np.float64))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@EVERY
def test_weights_are_copies_of_cells(score):
    truth, predicted = some()
    weights = np.random.default_rng(1).integers(0, 4, (5, 40)).astype(np.float32)
    found = score(truth=truth, predicted=predicted, weights=weights)
    expected = [
        REFERENCES[score](
            np.repeat(truth, unit.astype(int), axis=0),
            np.repeat(predicted, unit.astype(int), axis=0),
        )
        for unit in weights
    ]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@EVERY
def test_the_order_of_cells_and_of_features_changes_nothing(score):
    truth, predicted = some()
    random = np.random.default_rng(2)
    order = np.ix_(random.permutation(40), random.permutation(7))
    np.testing.assert_allclose(
        score(truth=truth[order], predicted=predicted[order]),
        score(truth=truth, predicted=predicted),
    )


@EVERY
def test_blocks_of_features_change_nothing(score, monkeypatch):
    truth, predicted = some()
    weights = np.random.default_rng(1).integers(0, 4, (50, 40))
    whole = score(truth=truth, predicted=predicted, weights=weights)
    monkeypatch.setattr(regression, "BLOCK_VALUES", 100)
    blocks = score(truth=truth, predicted=predicted, weights=weights)
    np.testing.assert_allclose(blocks, whole, atol=1e-12)


@EVERY
def test_a_perfect_prediction_scores_best(score):
    truth, _ = some()
    expected = 0.0 if score is mse else 1.0
    np.testing.assert_allclose(score(truth=truth, predicted=truth), expected, atol=1e-12)


@EVERY
def test_a_unit_without_cells_or_without_variance_has_a_finite_score(score):
    truth, predicted = some()
    only_one = np.zeros((2, 40))
    only_one[1, 3] = 1
    assert np.isfinite(score(truth=truth, predicted=predicted, weights=only_one)).all()


@EVERY
def test_shapes_that_differ_are_an_error(score):
    truth, predicted = some()
    with pytest.raises(ValueError, match="predict every feature"):
        score(truth=truth, predicted=predicted[:, :-1])
    with pytest.raises(ValueError, match="weigh every scored cell"):
        score(truth=truth, predicted=predicted, weights=np.ones((2, 39)))


@pytest.mark.parametrize("constant", [0.0, 0.1, 7.3])
def test_features_that_do_not_vary_are_left_out_of_means(constant):
    truth, predicted = some()
    flat = np.full((40, 2), constant)
    wider = {"truth": np.hstack([truth, flat]), "predicted": np.hstack([predicted, flat + 1])}
    for score in (explained_variance, explained_variance_uniform, pearson_per_feature):
        np.testing.assert_allclose(score(**wider), score(truth=truth, predicted=predicted))


@pytest.mark.parametrize("constant", [0.0, 0.1, 7.3])
def test_a_constant_prediction_of_a_feature_has_correlation_zero_and_counts(constant):
    truth, predicted = some()
    predicted[:, :2] = constant
    expected = slow_mean_pearson(truth[:, 2:], predicted[:, 2:]) * 5 / 7
    np.testing.assert_allclose(pearson_per_feature(truth=truth, predicted=predicted), expected)


def test_a_predicted_mean_explains_nothing_and_still_has_a_high_pooled_correlation():
    truth = some()[0] + 20 * np.arange(7)
    mean = np.broadcast_to(truth.mean(axis=0), truth.shape)
    assert explained_variance(truth=truth, predicted=mean) == pytest.approx(0, abs=1e-12)
    assert pearson_per_feature(truth=truth, predicted=mean) == 0
    assert pearson_pooled(truth=truth, predicted=mean) > 0.9
    assert pearson_per_cell(truth=truth, predicted=mean) > 0.9


def test_moments_of_disjoint_cells_add_up():
    truth, predicted = some()
    weights = np.random.default_rng(1).integers(0, 3, (4, 40))
    weights[2, :15] = 0
    parts = [
        moments(truth=truth[part], predicted=predicted[part], weights=weights[:, part])
        for part in (slice(0, 15), slice(15, 40))
    ]
    whole = moments(truth=truth, predicted=predicted, weights=weights)
    both: Moments = parts[0] + parts[1]
    np.testing.assert_allclose(both.pearson, whole.pearson)
    np.testing.assert_allclose(both.explained_variance, whole.explained_variance)


def test_the_total_variance_of_blocks_of_cells_is_the_sum_over_features():
    truth, _ = some()
    weights = np.random.default_rng(1).integers(0, 3, (4, 40))
    total = TotalVariance(n_units=4, n_features=7)
    for part in (slice(0, 15), slice(15, 40)):
        total.add(truth[part], weights=weights[:, part])
    expected = [np.repeat(truth, unit, axis=0).var(axis=0).sum() for unit in weights]
    np.testing.assert_allclose(total.value(), expected)
    assert explained_fraction(error=np.array([1.0]), total=np.array([0.0])) == 0


def test_where_nothing_varies_the_mean_over_features_is_zero():
    assert mean_over_varying([np.full((2, 3), np.nan)]).tolist() == [0.0, 0.0]


def test_a_table_that_gives_blocks_is_scored_like_an_array():
    class Doubled:
        def __init__(self, values: np.ndarray) -> None:
            self.values, self.shape = values, values.shape

        def __getitem__(self, where: tuple[slice, slice]) -> np.ndarray:
            return 2 * self.values[where]

    truth, predicted = some()
    for score in SCORES:
        np.testing.assert_allclose(
            score(truth=Doubled(truth), predicted=Doubled(predicted)),
            score(truth=2 * truth, predicted=2 * predicted),
        )
