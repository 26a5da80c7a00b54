"""A second measurement of the same cells: names of its features, and blocks of rows that say which were measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from sslbench.data.stored_matrix import SlicedRows, as_csr
from sslbench.errors import DataError, nearest

BLOCK_VALUES = 8_000_000  # dense values at once: 64 MB in double precision


class MeasuredRows(NamedTuple):
    """Consecutive cells of a second measurement."""

    first_row: int  # of the file's cells
    values: csr_matrix  # (n_rows, n_features) float32; empty where not measured
    measured: np.ndarray  # (n_rows,) bool


class MeasuredFeatures(NamedTuple):
    """What else was measured on the cells of a file."""

    feature_names: tuple[str, ...]  # (n_features,)
    blocks: Iterator[MeasuredRows]  # through all cells, in their order, once


def modality_of(
    matrix: SlicedRows,
    *,
    shape: tuple[int, int],
    names: Sequence[str] | None,
    where: str,
    measured: np.ndarray | None = None,
) -> MeasuredFeatures:
    """Return a matrix (n_cells, n_features), stored or in memory, as a second measurement; rows of NaN are not measured.

    `names` are the features', None numbers them from 0. `measured` (n_cells,) bool, if given, says of
    which cells there is a row at all.

    Raises
    ------
    DataError
        D183 if there are not as many distinct names as features; D182, when blocks are read, if some
        values of a row are missing or a value is infinite.
    """
    n_cells, n_features = shape
    named = tuple(names) if names is not None else tuple(map(str, range(n_features)))
    _check_names(named, n_features=n_features, where=where)
    blocks = _blocks(matrix, n_cells=n_cells, n_features=n_features, where=where, measured=measured)
    return MeasuredFeatures(named, blocks)


def _blocks(
    matrix: SlicedRows, *, n_cells: int, n_features: int, where: str, measured: np.ndarray | None
) -> Iterator[MeasuredRows]:
    n_rows = max(1, BLOCK_VALUES // max(1, n_features))
    for start in range(0, n_cells, n_rows):
        span = slice(start, min(start + n_rows, n_cells))
        block = measured_rows(as_csr(matrix[span]), first_row=start, where=where)
        there = True if measured is None else measured[span]
        yield block._replace(measured=block.measured & there)


def measured_rows(rows: csr_matrix, *, first_row: int, where: str) -> MeasuredRows:
    """Return rows (n_rows, n_features) as float32, those of NaN alone emptied and marked as not measured."""
    missing = np.isnan(rows.data)
    n_missing = np.bincount(_row_of_values(rows)[missing], minlength=rows.shape[0])
    partly = (n_missing > 0) & (n_missing < rows.shape[1])
    if partly.any() or np.isinf(rows.data).any():
        what = f"cell {first_row + int(partly.argmax()):,}" if partly.any() else "an infinite value"
        raise DataError(
            "a cell is measured in all features or in none",
            code="D182",
            where=where,
            found=f"{int(partly.sum()):,} of {rows.shape[0]:,} cells lack some values: {what}",
            fix="keep the features that were measured everywhere, or set the whole row to NaN",
        )
    kept = csr_matrix(rows, dtype=np.float32, copy=True)
    kept.data[np.isnan(kept.data)] = 0
    kept.eliminate_zeros()
    return MeasuredRows(first_row, kept, n_missing == 0)


def no_such_modality(key: str, *, known: Sequence[str], where: str) -> DataError:
    """Return the error D181 for a second measurement, or names of its features, that is not there."""
    return DataError(
        f"there is no {key!r} here",
        code="D181",
        where=where,
        found="nothing there" if not known else None,
        fix=nearest(key, known) if known else "leave `modality` out, or name where it is",
    )


def _check_names(names: tuple[str, ...], *, n_features: int, where: str) -> None:
    if len(names) == n_features and len(set(names)) == n_features:
        return
    twice = sorted({name for name in names if names.count(name) > 1})[:5]
    raise DataError(
        "the features of the second measurement need one distinct name each",
        code="D183",
        where=where,
        found=f"{len(names):,} names for {n_features:,} features"
        + (f", twice: {', '.join(twice)}" if twice else ""),
        fix="give the features distinct names, or leave `names` out: they are numbered",
    )


def _row_of_values(rows: csr_matrix) -> np.ndarray:
    return np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
