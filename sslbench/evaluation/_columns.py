"""Tables (n_cells, n_features) that are made block after block, for more features than memory should hold at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix

from sslbench.metrics.regression import Columns


@dataclass(frozen=True, kw_only=True)
class LinearColumns:
    """What a linear output makes of its inputs: `inputs @ weight + bias`."""

    inputs: np.ndarray  # (n_cells, n_inputs)
    weight: np.ndarray  # (n_inputs, n_features)
    bias: np.ndarray  # (n_features,)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of cells and of features."""
        return len(self.inputs), self.weight.shape[1]

    def __getitem__(self, where: tuple[slice, slice]) -> np.ndarray:
        """Return the block of some cells and some features."""
        cells, features = where
        block: np.ndarray = self.inputs[cells] @ self.weight[:, features] + self.bias[features]
        return block

    def rows(self, index: np.ndarray) -> np.ndarray:
        """Return the cells at `index` (n,) with all features, (n, n_features)."""
        dense: np.ndarray = self.inputs[index] @ self.weight + self.bias
        return dense


@dataclass(frozen=True, kw_only=True)
class SparseColumns:
    """Sparse values, moved by an offset of their cell and then standardised by their feature."""

    by_cell: csr_matrix  # (n_cells, n_features)
    by_feature: csc_matrix  # the same
    offset: np.ndarray  # (n_cells, 1): added to every value of the cell
    centre: np.ndarray  # (n_features,)
    spread: np.ndarray  # (n_features,)

    @classmethod
    def of(cls, values: csr_matrix, *, offset: np.ndarray | None = None) -> SparseColumns:
        """Return values (n_cells, n_features) as they are, but for the offset (n_cells, 1)."""
        n_cells, n_features = values.shape
        return cls(
            by_cell=values,
            by_feature=csc_matrix(values),
            offset=np.zeros((n_cells, 1)) if offset is None else offset,
            centre=np.zeros(n_features),
            spread=np.ones(n_features),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of cells and of features."""
        n_cells, n_features = self.by_cell.shape
        return n_cells, n_features

    def __getitem__(self, where: tuple[slice, slice]) -> np.ndarray:
        """Return the dense float64 block of some cells and some features."""
        cells, features = where
        values = self.by_feature[:, features].toarray()[cells] + self.offset[cells]
        block: np.ndarray = (values - self.centre[features]) / self.spread[features]
        return block

    def rows(self, index: np.ndarray) -> np.ndarray:
        """Return the cells at `index` (n,) with all features, (n, n_features) float64."""
        values = self.by_cell[index].toarray() + self.offset[index]
        dense: np.ndarray = (values - self.centre) / self.spread
        return dense

    def at(self, index: np.ndarray) -> SparseColumns:
        """Return the cells at `index` (n,), in that order."""
        values = self.by_cell[index]
        return SparseColumns(
            by_cell=values,
            by_feature=csc_matrix(values),
            offset=self.offset[index],
            centre=self.centre,
            spread=self.spread,
        )

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation over cells of each feature before it is standardised, (n_features,)."""
        n_cells = self.shape[0]
        sums = np.asarray(self.by_cell.sum(axis=0)).ravel()
        squares = np.asarray(self.by_cell.multiply(self.by_cell).sum(axis=0)).ravel()
        # of (value + offset)², written out, because the offset is of every cell and the values are not
        crossed = 2 * np.asarray(self.by_cell.T @ self.offset).ravel()
        squares = (squares + crossed + np.square(self.offset).sum()) / n_cells
        mean = (sums + self.offset.sum()) / n_cells
        return mean, np.sqrt(np.maximum(squares - np.square(mean), 0))

    def restored(self, standardised: Columns) -> RestoredColumns:
        """Return a table in the units of this one as it was before it was standardised."""
        return RestoredColumns(columns=standardised, centre=self.centre, spread=self.spread)


@dataclass(frozen=True, kw_only=True)
class RestoredColumns:
    """A table of standardised features in their own units."""

    columns: Columns
    centre: np.ndarray  # (n_features,)
    spread: np.ndarray  # (n_features,)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of cells and of features."""
        return self.columns.shape

    def __getitem__(self, where: tuple[slice, slice]) -> np.ndarray:
        """Return the block of some cells and some features."""
        features = where[1]
        block: np.ndarray = self.columns[where] * self.spread[features] + self.centre[features]
        return block


@dataclass(frozen=True, kw_only=True)
class JoinedColumns:
    """Tables of disjoint cells as one, with the cells in an order of their own."""

    parts: Sequence[tuple[np.ndarray, Columns]]  # positions (n,) of its cells in the whole, table

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of cells and of features."""
        return sum(len(index) for index, _ in self.parts), self.parts[0][1].shape[1]

    def __getitem__(self, where: tuple[slice, slice]) -> np.ndarray:
        """Return the block of some cells and some features."""
        cells, features = where
        blocks = [(index, part[:, features]) for index, part in self.parts]
        whole = np.empty((self.shape[0], blocks[0][1].shape[1]))
        for index, block in blocks:
            whole[index] = block
        return whole[cells]


def feature_blocks(columns: Columns, *, most_values: int = 4_000_000) -> list[slice]:
    """Return the slices of features by which a table is gone through, `most_values` at a time."""
    n_cells, n_features = columns.shape
    n = max(1, most_values // max(1, n_cells))
    return [slice(start, min(start + n, n_features)) for start in range(0, n_features, n)]
