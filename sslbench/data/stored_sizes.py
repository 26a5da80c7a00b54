"""Do the sizes that a file states make sense, and is all of it there? Asked before anything is read."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

from sslbench.data.readable import damaged
from sslbench.data.stored_matrix import is_array, is_sparse, shape_of
from sslbench.errors import DataError, RefusedError

# Deflate cannot shrink anything further than by 1,032; chunks never written take no room at all.
LARGEST_EXPANSION = 1_100
HARMLESS_BYTES = 2**30


def refuse_oversized(stored: Any, *, place: str, path: Path, on_disk: int) -> None:
    """Raise DataError D170 if what is stored at `place` states a size that `on_disk` bytes cannot hold."""
    for array in _arrays(stored):
        stated = prod(int(size) for size in array.shape) * int(array.dtype.itemsize)
        if stated > max(HARMLESS_BYTES, LARGEST_EXPANSION * on_disk):
            raise DataError(
                "the file states a size that it cannot hold",
                code="D170",
                where=f"{path}, slot {place}",
                found=f"{_words(stated)} of {array.dtype} stated, shape {tuple(array.shape)}; "
                f"the file has {_words(on_disk)}",
                fix="write the file again from its source; keep counts as a sparse matrix",
            )


def refuse_elsewhere(stored: Any, *, place: str, path: Path) -> None:
    """Raise RefusedError R013 if something stored at `place` lies in another file, as HDF5 allows.

    Its bytes would not be among those that a store is known by, and could be anything on this machine.
    """
    for array in _arrays(stored):
        linked = hasattr(array, "file") and array.file.filename != str(path)
        if linked or getattr(array, "external", None) or getattr(array, "is_virtual", False):
            raise RefusedError(
                "a part of this file lies in another file",
                code="R013",
                where=f"{path}, slot {place}",
                found=f"{array.name} is linked to another place",
                fix="write the cells whole: anndata.read_h5ad(…).write_h5ad(…)",
            )


def refuse_disagreement(
    stored: Any, *, place: str, path: Path, n_obs: int | None, n_var: int | None
) -> None:
    """Raise DataError D002 unless the matrix at `place` has `n_obs` rows and `n_var` columns; None is not compared."""
    shape = shape_of(stored)
    wanted = (n_obs, n_var)
    fits = len(shape) == 2 and all(w is None or w == s for s, w in zip(shape, wanted, strict=True))
    if not fits:
        raise damaged(path, place, f"shape {shape}; obs has {n_obs} rows, var {n_var}")


def n_rows_of(table: Any) -> int | None:
    """Return the number of rows of a stored table, from its index; None if the index is stored unusually."""
    if is_array(table):
        return int(table.shape[0])
    index = table[str(table.attrs.get("_index", "_index"))]
    if not is_array(index):
        index = next((index[part] for part in ("codes", "values") if part in index), None)
    return None if index is None else int(index.shape[0])


def _arrays(stored: Any) -> Iterator[Any]:
    if is_array(stored):
        yield stored
        return
    names = ("data", "indices", "indptr") if is_sparse(stored) else list(stored)
    for name in names:
        yield from _arrays(stored[name])


def _words(n_bytes: int) -> str:
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if n_bytes >= size:
            return f"{n_bytes / size:,.1f} {unit}"
    return f"{n_bytes} bytes"
