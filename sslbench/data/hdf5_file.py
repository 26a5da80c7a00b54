"""Open an HDF5 file, or say what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from sslbench.data.source_files import check_is_hdf5
from sslbench.errors import DataError


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
