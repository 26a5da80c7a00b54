"""Rows of a matrix that lies in HDF5 or zarr, dense or sparse, without reading all of it."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix, issparse


class SlicedRows(Protocol):
    """What gives rows when it is sliced: a stored array, a stored CSR, or a matrix in memory."""

    def __getitem__(self, rows: slice) -> Any:
        """Return the rows of a slice whose ends are given."""
        ...


def is_array(stored: Any) -> bool:
    """Say whether what is stored is an array; otherwise it is a group."""
    return hasattr(stored, "dtype")


def encoding(stored: Any) -> str:
    """Return what anndata calls a stored thing, such as `csr_matrix` or `dataframe`."""
    return str(stored.attrs.get("encoding-type", "array"))


def is_sparse(stored: Any) -> bool:
    """Say whether what is stored is a sparse matrix."""
    return not is_array(stored) and encoding(stored) in ("csr_matrix", "csc_matrix")


def shape_of(stored: Any) -> tuple[int, ...]:
    """Return the shape of a stored matrix, usually (n_rows, n_columns)."""
    shape = stored.shape if is_array(stored) else stored.attrs["shape"]
    return tuple(int(size) for size in shape)


def values_of(stored: Any) -> Any:
    """Return the stored array of the values; of a sparse matrix those of its non-zeros."""
    return stored if is_array(stored) else stored["data"]


def rows_of(stored: Any) -> SlicedRows:
    """Return what gives rows of a stored matrix when it is sliced.

    Only a column-compressed matrix is read whole, because its rows do not lie together.

    Raises
    ------
    ValueError
        If the parts of a sparse matrix do not fit each other: scipy's fast routines read out of bounds then.
    """
    if is_array(stored):
        dense: SlicedRows = stored
        return dense
    if encoding(stored) == "csr_matrix":
        return _CsrRows(stored)
    n_rows, n_columns = shape_of(stored)
    indptr = _checked_indptr(stored, n_columns)
    indices = _checked_indices(stored["indices"][:], n_rows)
    whole: SlicedRows = as_csr(
        csc_matrix((stored["data"][:], indices, indptr), shape=(n_rows, n_columns))
    )
    return whole


class _CsrRows:
    """Slices of rows of a stored CSR matrix; anndata's own take milliseconds each, whatever their size."""

    def __init__(self, stored: Any) -> None:
        n_rows, self.n_columns = shape_of(stored)
        self.stored, self.indptr = stored, _checked_indptr(stored, n_rows)

    def __getitem__(self, rows: slice) -> csr_matrix:
        ends = self.indptr[rows.start : rows.stop + 1]
        span = slice(int(ends[0]), int(ends[-1]))
        indices = _checked_indices(self.stored["indices"][span], self.n_columns)
        parts = (self.stored["data"][span], indices, ends - ends[0])
        return csr_matrix(parts, shape=(len(ends) - 1, self.n_columns))


def _checked_indptr(stored: Any, n: int) -> np.ndarray:
    """Return the ends of the `n` rows (or columns) among the non-zeros, (n + 1,)."""
    indptr = np.asarray(stored["indptr"][:])
    n_values, n_indices = (shape_of(stored[part])[0] for part in ("data", "indices"))
    if len(indptr) != n + 1 or n_values != n_indices:
        raise ValueError(
            f"{len(indptr):,} ends for {n:,} rows, {n_values:,} values, {n_indices:,} indices"
        )
    if indptr[0] != 0 or indptr[-1] != n_values or (np.diff(indptr) < 0).any():
        raise ValueError("indptr does not rise from 0 to the number of values")
    return indptr


def _checked_indices(indices: np.ndarray, n: int) -> np.ndarray:
    if len(indices) and not (indices.min() >= 0 and indices.max() < n):
        raise ValueError(f"an index is outside 0 … {n - 1:,}")
    return indices


def as_csr(matrix: Any) -> csr_matrix:
    """Return any matrix or array (n_cells, n_genes) as CSR: sorted, no duplicates, no stored zeros."""
    if not issparse(matrix):
        return csr_matrix(_computable(np.atleast_2d(matrix)))
    rows = csr_matrix(matrix, copy=True)
    rows.data = _computable(rows.data)
    rows.sum_duplicates()
    rows.eliminate_zeros()
    return rows


def _computable(values: np.ndarray) -> np.ndarray:
    """Return values in a type that scipy's sparse routines know: no half precision, no foreign byte order."""
    if values.dtype in (np.float16, bool):
        return values.astype(np.float32)
    return values.astype(values.dtype.newbyteorder("="), copy=False)
