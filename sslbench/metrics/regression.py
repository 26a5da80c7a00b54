"""How near are predicted measurements to the measured ones? Plain functions of arrays, of many units at once.

Every function takes `truth` and `predicted`, (n_cells, n_features), and `weights` (n_units, n_cells): how much
each cell counts in each unit; None is one unit in which every cell counts once. It returns a score a unit,
(n_units,) float64. Weights that are whole numbers mean what as many copies of the cells would. Arrays are gone
through in blocks of features, in float64; what is not an array but gives blocks like one (`Columns`) is taken as
well, so that neither side need ever lie in memory as a whole.

Explained variance and correlations are at most 1, and higher is better; the squared error is at least 0, and lower
is better. A feature varies in a unit where its variance is more than rounding. Those that do not are left out of
means over features; a unit in which none varies scores 0. All functions raise ValueError where shapes differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

BLOCK_VALUES = 4_000_000  # of one side, or of one sum, at once: 32 MB
# A variance below this part of the mean square is what subtracting two sums in float64 leaves of nothing.
FLAT = 1e-12


class Columns(Protocol):
    """A table (n_cells, n_features) that makes blocks of its features when it is asked for them."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    def __getitem__(self, where: tuple[slice, slice], /) -> np.ndarray: ...


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Weighted means over cells, (n_units, n_features) each; those of disjoint cells can be added."""

    weight: np.ndarray  # (n_units, 1): sum of the weights of the cells
    truth: np.ndarray
    predicted: np.ndarray
    truth_squared: np.ndarray
    predicted_squared: np.ndarray
    product: np.ndarray

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of both sets of cells together."""
        weight = self.weight + other.weight
        mine, theirs = _ratio(self.weight, weight), _ratio(other.weight, weight)
        names = ("truth", "predicted", "truth_squared", "predicted_squared", "product")
        means = {n: mine * getattr(self, n) + theirs * getattr(other, n) for n in names}
        return Moments(weight=weight, **means)

    @property
    def explained_variance(self) -> np.ndarray:
        """`1 - Var(y - ŷ) / Var(y)` of each feature; NaN where the truth does not vary."""
        variance = _variance(self.truth_squared, self.truth)
        error = self.truth_squared - 2 * self.product + self.predicted_squared
        of_error = np.maximum(error - np.square(self.truth - self.predicted), 0)
        return 1 - _ratio(of_error, variance, otherwise=np.nan)

    @property
    def pearson(self) -> np.ndarray:
        """Correlation of each feature; 0 of a constant prediction, NaN where the truth does not vary."""
        variance = _variance(self.truth_squared, self.truth)
        of_predicted = _variance(self.predicted_squared, self.predicted)
        covariance = self.product - self.truth * self.predicted
        correlation = _ratio(covariance, np.sqrt(variance * of_predicted))
        return np.where(variance > 0, correlation.clip(-1, 1), np.nan)


def moments(
    *, truth: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None = None
) -> Moments:
    """Return the moments of a block of cells and features: five matrix products with the weights."""
    y, p, w = truth.astype(np.float64), predicted.astype(np.float64), _weights(weights, len(truth))
    weight = w.sum(axis=1, keepdims=True)
    w = _ratio(w, weight)
    return Moments(
        weight=weight,
        truth=w @ y,
        predicted=w @ p,
        truth_squared=w @ np.square(y),
        predicted_squared=w @ np.square(p),
        product=w @ (y * p),
    )


class TotalVariance:
    """Sum over features of the variance of each unit, of cells that come block after block.

    `Σ_g Var(y_g) = E |y|² - |E y|²`: one matrix product with the weights and one array (n_units, n_features).
    """

    def __init__(self, *, n_units: int, n_features: int) -> None:
        self.weight, self.squares = np.zeros(n_units), np.zeros(n_units)
        self.sums = np.zeros((n_units, n_features))

    def add(self, values: np.ndarray, *, weights: np.ndarray) -> None:
        """Take in cells, (n_cells, n_features) with their weights (n_units, n_cells)."""
        values, weights = values.astype(np.float64), weights.astype(np.float64)
        self.weight += weights.sum(axis=1)
        self.squares += weights @ np.square(values).sum(axis=1)
        self.sums += weights @ values

    def value(self) -> np.ndarray:
        """Return the sum (n_units,), ≥ 0; 0 where it is no more than rounding."""
        mean = _ratio(self.sums, self.weight[:, None])
        return _variance(_ratio(self.squares, self.weight), np.sqrt(np.square(mean).sum(axis=1)))


def explained_fraction(*, error: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Return `1 - error / total` of each unit, (n_units,); 0 where there is nothing to explain."""
    return np.where(total > 0, 1 - _ratio(error, total), 0.0)


def explained_variance(
    *, truth: Columns, predicted: Columns, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return `1 - Σ_g Var(y - ŷ) / Σ_g Var(y)`: features count by their variance."""
    w = _weights(weights, truth.shape[0])
    total, error = np.zeros(len(w)), np.zeros(len(w))
    for features in _blocks(truth, predicted, n_units=len(w)):
        y, p = _block(truth, features), _block(predicted, features)
        total += _total_variance(y, w)
        error += _total_variance(y - p, w)
    return explained_fraction(error=error, total=total)


def explained_variance_uniform(
    *, truth: Columns, predicted: Columns, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return the mean of `1 - Var(y - ŷ) / Var(y)` over the features that vary."""
    blocks = _moments_of_blocks(truth, predicted, weights)
    return mean_over_varying(block.explained_variance for block in blocks)


def pearson_per_feature(
    *, truth: Columns, predicted: Columns, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return the mean over the features that vary of the correlation over cells; a constant prediction has 0."""
    blocks = _moments_of_blocks(truth, predicted, weights)
    return mean_over_varying(block.pearson for block in blocks)


def pearson_per_cell(
    *, truth: Columns, predicted: Columns, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return the mean over cells of the correlation over features; a cell in which nothing varies has 0."""
    w = _weights(weights, truth.shape[0])
    correlation = np.nan_to_num(_moments_of_cells(truth, predicted).pearson[0])
    return _ratio(w @ correlation, w.sum(axis=1))


def pearson_pooled(
    *, truth: Columns, predicted: Columns, weights: np.ndarray | None = None
) -> np.ndarray:
    """Return the correlation over all values of all cells, which differences between features alone make high."""
    w = _weights(weights, truth.shape[0])
    of_cells = _moments_of_cells(truth, predicted)
    share = _ratio(w, w.sum(axis=1, keepdims=True))
    pooled = Moments(
        weight=w.sum(axis=1, keepdims=True),
        truth=share @ of_cells.truth.T,
        predicted=share @ of_cells.predicted.T,
        truth_squared=share @ of_cells.truth_squared.T,
        predicted_squared=share @ of_cells.predicted_squared.T,
        product=share @ of_cells.product.T,
    )
    found: np.ndarray = np.nan_to_num(pooled.pearson[:, 0])
    return found


def mse(*, truth: Columns, predicted: Columns, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the mean squared error over cells and features."""
    w, squared = _weights(weights, truth.shape[0]), np.zeros(truth.shape[0])
    for features in _blocks(truth, predicted, n_units=1):
        error = _block(truth, features) - _block(predicted, features)
        squared += np.square(error).sum(axis=1)
    return _ratio(w @ squared, w.sum(axis=1)) / truth.shape[1]


def mean_over_varying(blocks: Iterable[np.ndarray]) -> np.ndarray:
    """Return the mean (n_units,) over features of blocks (n_units, n_features), NaN left out; 0 if all are."""
    total, n_varying = np.zeros(1), np.zeros(1)
    for block in blocks:
        total = total + np.nansum(block, axis=1)
        n_varying = n_varying + np.count_nonzero(~np.isnan(block), axis=1)
    return _ratio(total, n_varying)


def _moments_of_blocks(
    truth: Columns, predicted: Columns, weights: np.ndarray | None
) -> Iterator[Moments]:
    w = _weights(weights, truth.shape[0])
    for features in _blocks(truth, predicted, n_units=len(w)):
        y, p = _block(truth, features), _block(predicted, features)
        yield moments(truth=y, predicted=p, weights=w)


def _moments_of_cells(truth: Columns, predicted: Columns) -> Moments:
    """Return the moments of each cell over its features, (1, n_cells) each."""
    found: Moments | None = None
    for features in _blocks(truth, predicted, n_units=1):
        block = moments(truth=_block(truth, features).T, predicted=_block(predicted, features).T)
        found = block if found is None else found + block
    assert found is not None
    return found


def _blocks(truth: Columns, predicted: Columns, *, n_units: int) -> Iterator[slice]:
    n_cells, n_features = truth.shape
    if truth.shape != predicted.shape or not n_cells or not n_features:
        raise ValueError(
            "truth and predicted must both be (n_cells, n_features) with at least one of each, "
            f"got {truth.shape} and {predicted.shape}; predict every feature of every scored cell"
        )
    n = max(1, BLOCK_VALUES // max(n_cells, n_units))
    return (slice(start, min(start + n, n_features)) for start in range(0, n_features, n))


def _block(values: Columns, features: slice) -> np.ndarray:
    return values[:, features].astype(np.float64)


def _weights(weights: np.ndarray | None, n_cells: int) -> np.ndarray:
    """Return the weights (n_units, n_cells) in float64."""
    if weights is None:
        return np.ones((1, n_cells))
    if weights.ndim != 2 or weights.shape[1] != n_cells:
        raise ValueError(
            f"weights must be (n_units, {n_cells}), got {weights.shape}; weigh every scored cell"
        )
    return weights.astype(np.float64)


def _total_variance(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    total = TotalVariance(n_units=len(weights), n_features=values.shape[1])
    total.add(values, weights=weights)
    return total.value()


def _variance(mean_square: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return `mean_square - mean²`, and 0 where that is rounding."""
    variance = mean_square - np.square(mean)
    return np.where(variance > FLAT * mean_square, variance, 0.0)


def _ratio(above: np.ndarray, below: np.ndarray, *, otherwise: float = 0.0) -> np.ndarray:
    """Return `above / below`, and `otherwise` where `below` is 0."""
    out: np.ndarray = np.full(np.broadcast_shapes(above.shape, below.shape), otherwise)
    np.divide(above, below, out=out, where=below != 0)
    return out
