"""An embedding that lies in a file of cells: read, and refused where it cannot be one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from anndata.io import read_elem
from scipy.sparse import issparse

from sslbench.data.readable import readable
from sslbench.data.source_files import stored_bytes
from sslbench.data.stored_cells import StoredCells
from sslbench.data.stored_sizes import refuse_elsewhere, refuse_oversized
from sslbench.errors import DataError, nearest


def stored_embedding(cells: StoredCells, key: str) -> np.ndarray:
    """Return `obsm[key]` (n_cells_of_the_file, n_dimensions) float32, in the order of the file's rows.

    Raises
    ------
    DataError
        D330 no such entry, D331 not two-dimensional, D332 another number of rows than cells, D333 no floating-point
        numbers, D334 NaN or infinite values.
    """
    where = f"{cells.path}, slot {cells.within}obsm"
    there = sorted(cells.root["obsm"]) if "obsm" in cells.root else []
    if key not in there:
        raise DataError(
            f"no embedding obsm[{key!r}]",
            code="D330",
            where=where,
            found=", ".join(there) or "obsm is empty",
            fix=nearest(key, there) if there else f"write it: adata.obsm[{key!r}] = z",
        )
    where = f"{where}/{key}"
    stored, place = cells.root["obsm"][key], f"{cells.within}obsm/{key}"
    with readable(cells.path, place):
        refuse_elsewhere(stored, place=place, path=cells.path)
        refuse_oversized(stored, place=place, path=cells.path, on_disk=stored_bytes(cells.path))
        z = _dense(read_elem(stored))
    names = cells.obs().index
    _refuse_other_shape(z, n_cells=len(names), where=where)
    return _as_floats(z, names, where=where)


def _dense(stored: Any) -> np.ndarray:
    if isinstance(stored, pd.DataFrame):
        return stored.to_numpy()
    return np.asarray(stored.toarray() if issparse(stored) else stored)


def _refuse_other_shape(z: np.ndarray, *, n_cells: int, where: str) -> None:
    if z.ndim != 2 or z.shape[1] == 0:
        raise DataError(
            "an embedding has a row a cell and at least one column",
            code="D331",
            where=where,
            found=f"shape {z.shape}",
            fix="z.reshape(-1, 1) makes a column of one value a cell",
        )
    if len(z) != n_cells:
        raise DataError(
            "the embedding has another number of rows than the file has cells",
            code="D332",
            where=where,
            found=f"{len(z):,} rows, {n_cells:,} cells",
            fix="embed all cells of the file, in its order",
        )


def _as_floats(z: np.ndarray, names: pd.Index, *, where: str) -> np.ndarray:
    if z.dtype.kind != "f":
        raise DataError(
            "an embedding is of floating-point numbers: whole ones are codes, ranks or counts",
            code="D333",
            where=where,
            found=f"dtype {z.dtype}",
            fix="if they are coordinates after all: adata.obsm[key] = z.astype('float32')",
        )
    with np.errstate(over="ignore"):  # what single precision cannot hold becomes infinite
        single = z.astype(np.float32)
    bad = ~np.isfinite(single)
    if bad.any():
        first = int(np.flatnonzero(bad.any(axis=1))[0])
        raise DataError(
            "the embedding has NaN, infinite or too large values",
            code="D334",
            where=where,
            found=f"{int(bad.sum()):,} of {bad.size:,} values in {int(bad.any(axis=1).sum()):,} cells, first in "
            f"row {first} ({names[first]})",
            fix="leave no cell without an embedding; a cell that cannot be embedded cannot be scored",
        )
    return single
