"""An .h5ad on disk: obs, gene names and blocks of rows of one slot, never the whole matrix at once."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from anndata._io.specs.registry import IORegistryError
from anndata.io import read_elem, sparse_dataset
from scipy.sparse import csr_matrix, issparse

from sslbench.data.catalogue import Slot
from sslbench.errors import DataError

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
SLOTS: dict[Slot, str] = {"layers/counts": "layers/counts", "raw": "raw/X", "X": "X"}
BLOCK_VALUES = 8_000_000  # dense values read at once: 64 MB in double precision
SECONDS_BETWEEN_LINES = 5.0  # and before the first: what takes less says nothing

_log = logging.getLogger(__name__)


class H5adFile:
    """An opened .h5ad; read-only, closed by the `with` of `open_h5ad`."""

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path, self.file = path, file

    def slots(self) -> list[Slot]:
        """Return the slots that could hold counts, in the order in which they are looked at."""
        return [slot for slot, place in SLOTS.items() if place in self.file]

    def obs(self) -> pd.DataFrame:
        """Return the table of cells."""
        with self._readable("obs"):
            table: pd.DataFrame = read_elem(self.file["obs"])
        table.index = table.index.astype(str)
        return table

    def var_names(self, slot: Slot) -> list[str]:
        """Return the gene names of a slot; `.raw` has its own."""
        place = "raw/var" if slot == "raw" else "var"
        with self._readable(place):
            return [str(name) for name in read_elem(self.file[place]).index]

    def shape(self, slot: Slot) -> tuple[int, int]:
        """Return (n_cells, n_genes) of a slot."""
        stored = self.file[SLOTS[slot]]
        n_cells, n_genes = stored.shape if hasattr(stored, "shape") else stored.attrs["shape"]
        return int(n_cells), int(n_genes)

    def kind(self, slot: Slot) -> str:
        """Describe a slot for people: `csr_matrix float32, 1,200 x 500`."""
        stored = self.file[SLOTS[slot]]
        values = stored if isinstance(stored, h5py.Dataset) else stored["data"]
        encoding = stored.attrs.get("encoding-type", "array")
        n_cells, n_genes = self.shape(slot)
        return f"{encoding} {values.dtype}, {n_cells:,} x {n_genes:,}"

    def dtype(self, slot: Slot) -> np.dtype[Any]:
        """Return the type in which the values of a slot are stored."""
        stored = self.file[SLOTS[slot]]
        values = stored if isinstance(stored, h5py.Dataset) else stored["data"]
        dtype: np.dtype[Any] = np.dtype(values.dtype)
        return dtype

    def blocks(self, slot: Slot) -> Iterator[tuple[int, csr_matrix]]:
        """Yield (first row, rows as CSR) through a slot, explicit zeros removed.

        Only column-compressed slots are read whole, because their rows do not lie together.
        """
        n_cells, n_genes = self.shape(slot)
        n_rows = max(1, BLOCK_VALUES // max(1, n_genes))
        with self._readable(SLOTS[slot]):
            stored = self._rows(slot)
            for start in range(0, n_cells, n_rows):
                yield start, as_csr(stored[start : min(start + n_rows, n_cells)])

    def _rows(self, slot: Slot) -> Any:
        stored = self.file[SLOTS[slot]]
        if isinstance(stored, h5py.Dataset):
            return stored
        dataset = sparse_dataset(stored)
        return as_csr(dataset.to_memory()) if dataset.format == "csc" else _CsrRows(stored)

    @contextmanager
    def _readable(self, place: str) -> Iterator[None]:
        """Turn what HDF5 and anndata raise on broken or newer files into our errors."""
        try:
            yield
        except IORegistryError as error:
            raise DataError(
                "this file was written by a newer anndata",
                code="D004",
                where=f"{self.path}, slot {place}",
                found=str(error).partition("\n")[0],
                fix=f"upgrade anndata (here {version('anndata')}), or write the file with this one",
            ) from error
        except OSError as error:
            raise DataError(
                "a part of the file cannot be read: it is damaged",
                code="D002",
                where=f"{self.path}, slot {place}",
                found=str(error).partition("\n")[0],
                fix="copy or download the file again",
            ) from error


class _CsrRows:
    """Slices of rows of a stored CSR matrix; anndata's own take milliseconds each, whatever their size."""

    def __init__(self, stored: h5py.Group) -> None:
        self.stored, self.n_genes = stored, int(stored.attrs["shape"][1])
        self.indptr: np.ndarray = stored["indptr"][:]

    def __getitem__(self, rows: slice) -> csr_matrix:
        ends = self.indptr[rows.start : rows.stop + 1]
        span = slice(ends[0], ends[-1])
        parts = (self.stored["data"][span], self.stored["indices"][span], ends - ends[0])
        return csr_matrix(parts, shape=(len(ends) - 1, self.n_genes))


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
def open_h5ad(path: Path) -> Iterator[H5adFile]:
    """Open an .h5ad to read it, or raise DataError D001-D007 saying what the file is instead."""
    check_is_hdf5(path)
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DataError(
            "the file is not whole", code="D001", where=str(path), found=_missing(error, path),
            fix="copy or download the file again",
        ) from error  # fmt: skip
    with file:
        if "obs" not in file or not any(place in file for place in SLOTS.values()):
            raise DataError(
                "this HDF5 file is no AnnData: obs or X is missing",
                code="D008",
                where=str(path),
                found="groups " + ", ".join(sorted(file)),
                fix="write it with adata.write_h5ad(…); of an .h5mu, write one modality",
            )
        yield H5adFile(path, file)


def as_csr(matrix: Any) -> csr_matrix:
    """Return any matrix or array (n_cells, n_genes) as CSR: sorted, no duplicates, no stored zeros."""
    if not issparse(matrix):
        dense = np.atleast_2d(matrix)
        return csr_matrix(dense.astype(np.float32) if dense.dtype in (np.float16, bool) else dense)
    rows = csr_matrix(matrix, copy=True)
    if rows.dtype == bool:
        rows = rows.astype(np.float32)
    rows.sum_duplicates()
    rows.eliminate_zeros()
    return rows


def check_is_hdf5(path: Path) -> None:
    """Raise DataError D003-D007 unless `path` is an HDF5 file on this machine."""
    if re.match(r"[a-z0-9+]{2,}:/", str(path)):
        raise DataError(
            "a file on this machine is expected, a URL is given", code="D007", where=str(path),
            fix="download it first",
        )  # fmt: skip
    if path.is_dir():
        raise DataError(
            "a file is expected, this is a folder", code="D006", where=str(path),
            fix="name the .h5ad inside it",
        )  # fmt: skip
    if not path.is_file():
        raise DataError("no such file", code="D005", where=str(path.absolute()))
    with path.open("rb") as file:
        head = file.read(8)
    if head != HDF5_SIGNATURE:
        raise DataError(
            f"this is {_looks_like(head)}, not HDF5",
            code="D003",
            where=str(path),
            fix="read it with scanpy (sc.read_…) and write it with adata.write_h5ad(…)",
        )


def _looks_like(head: bytes) -> str:
    if not head:
        return "an empty file"
    if head[:2] == b"\x1f\x8b":
        return "a gzip file (.rds or .gz)"
    if head[:2] == b"PK":
        return "a zip file"
    return "text" if all(byte in b"\t\r\n" or 31 < byte < 127 for byte in head) else "a binary file"


def _missing(error: OSError, path: Path) -> str:
    """Say how much of a truncated file is there; HDF5 names the size it should have."""
    expected = str(error).rpartition("stored_eof = ")[2].rstrip(")")
    have = path.stat().st_size
    if not expected.isdigit():
        return str(error).partition("\n")[0]
    return f"{have:,} of {int(expected):,} bytes ({1 - have / int(expected):.0%} missing)"
