"""Ridge regression with its penalty chosen on held-out cells: one eigendecomposition, all penalties at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sslbench.evaluation._columns import LinearColumns, feature_blocks
from sslbench.metrics.regression import Columns
from sslbench.standardisation import Standardisation

# Times the number of cells: what is added to the variance 1 of a standardised dimension.
PENALTIES = 10.0 ** np.arange(-5, 4)
RANK = 1e-10  # directions that have less of the largest one's variance are rounding


@dataclass(frozen=True, kw_only=True)
class RidgePath:
    """The fits of every penalty, in the basis in which the inputs of the fitted cells are uncorrelated."""

    standardise: Standardisation
    n_cells: int
    directions: np.ndarray  # (n_inputs, n_directions)
    strength: np.ndarray  # (n_directions,): sum of squares along each
    response: np.ndarray  # (n_directions, n_features): inputs along each, times the targets
    mean: np.ndarray  # (n_features,): of the targets

    def predict(self, inputs: np.ndarray, *, penalty: float) -> LinearColumns:
        """Return the predictions (n_cells, n_features) for inputs (n_cells, n_inputs)."""
        along = self.standardise(inputs) @ self.directions
        shrunk = along / (self.strength + penalty * self.n_cells)
        return LinearColumns(inputs=shrunk, weight=self.response, bias=self.mean)

    def errors(self, inputs: np.ndarray, targets: Columns) -> np.ndarray:
        """Return the mean squared error (n_penalties,) over the values of other cells, penalty by penalty.

        With g the shrinkage of a penalty, it is `|y|² - 2 g·c + gᵀ H g`: c and H are summed once, over
        blocks of features, and serve all penalties.
        """
        along = self.standardise(inputs) @ self.directions
        squares, crossed = 0.0, np.zeros(len(self.strength))
        products = np.zeros((len(self.strength),) * 2)
        for features in feature_blocks(targets):
            y = targets[:, features] - self.mean[features]
            response = self.response[:, features].astype(np.float64)
            squares += float(np.square(y).sum())
            crossed += ((along.T @ y) * response).sum(axis=1)
            products += response @ response.T
        products *= along.T @ along
        shrinkage = 1 / (self.strength + PENALTIES[:, None] * self.n_cells)
        quadratic = ((shrinkage @ products) * shrinkage).sum(axis=1)
        total: np.ndarray = squares - 2 * shrinkage @ crossed + quadratic
        return total / np.prod(targets.shape)


def ridge_path(inputs: np.ndarray, targets: Columns) -> RidgePath:
    """Fit standardised inputs (n_cells, n_inputs) to targets (n_cells, n_features), with an intercept.

    The smaller of the two products of the inputs with themselves is decomposed, so that many inputs of few
    cells cost what few inputs of many cells do. Inputs that are the same for all cells predict the mean.
    """
    standardise = Standardisation.of(inputs)
    x = standardise(inputs)
    strength, directions = _directions(x)
    along = x @ directions
    response = np.empty((len(strength), targets.shape[1]), dtype=np.float32)
    mean = np.empty(targets.shape[1])
    for features in feature_blocks(targets):
        y = targets[:, features]
        mean[features] = y.mean(axis=0)
        response[:, features] = along.T @ (y - mean[features])
    return RidgePath(
        standardise=standardise,
        n_cells=len(x),
        directions=directions,
        strength=strength,
        response=response,
        mean=mean,
    )


def _directions(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the eigenvalues (n_directions,) and eigenvectors (n_inputs, n_directions) of `xᵀx`, rank only."""
    n_cells, n_inputs = x.shape
    of_inputs = n_inputs <= n_cells
    strength, vectors = np.linalg.eigh(x.T @ x if of_inputs else x @ x.T)
    kept = strength > RANK * max(strength.max(initial=0.0), n_cells * RANK)
    strength, vectors = strength[kept], vectors[:, kept]
    return strength, vectors if of_inputs else x.T @ vectors / np.sqrt(strength)
