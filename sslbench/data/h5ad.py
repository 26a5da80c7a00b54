"""Open an HDF5 file of cells; say every few seconds how far a pass through its rows has come."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
from scipy.sparse import csr_matrix

from sslbench.data.source_files import check_is_hdf5
from sslbench.data.stored_cells import StoredCells, anndata_cells
from sslbench.errors import DataError

__all__ = ["H5adFile", "check_is_hdf5", "open_h5ad", "opened_hdf5", "reporting"]

SECONDS_BETWEEN_LINES = 5.0  # and before the first: what takes less says nothing
H5adFile = StoredCells

_log = logging.getLogger(__name__)


def reporting(
    blocks: Iterator[tuple[int, csr_matrix]], *, what: str, n_cells: int
) -> Iterator[tuple[int, csr_matrix]]:
    """Yield the blocks of a slot, and log every few seconds how many of the `n_cells` cells are done."""
    last = time.monotonic()
    for first_row, rows in blocks:
        yield first_row, rows
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            _log.info("%s: %s of %s cells", what, f"{first_row + rows.shape[0]:,}", f"{n_cells:,}")


@contextmanager
def open_h5ad(path: Path) -> Iterator[StoredCells]:
    """Open an .h5ad to read it, or raise DataError D001-D008 or D170 saying what the file is instead."""
    with opened_hdf5(path) as file:
        yield anndata_cells(path, file)


@contextmanager
def opened_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file to read it, or raise DataError D001-D007 saying what it is instead."""
    check_is_hdf5(path)
    try:
        file = h5py.File(path, "r")
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(
            "the file is not whole", code="D001", where=str(path), found=_missing(error, path),
            fix="copy or download the file again",
        ) from error  # fmt: skip
    with file:
        yield file


def _missing(error: Exception, path: Path) -> str:
    """Say how much of a truncated file is there; HDF5 names the size it should have."""
    expected = str(error).rpartition("stored_eof = ")[2].rstrip(")")
    have = path.stat().st_size
    if not expected.isdigit():
        return str(error).partition("\n")[0]
    return f"{have:,} of {int(expected):,} bytes ({1 - have / int(expected):.0%} missing)"
