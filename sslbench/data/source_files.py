"""Is there a file of cells at this path, and which bytes is it? Opens nothing: needs neither h5py nor zarr."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from sslbench.errors import DataError
from sslbench.ledger import sha256

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
ZARR_METADATA = (".zgroup", "zarr.json")  # of zarr format 2 and 3


def check_is_cells_file(path: Path) -> None:
    """Raise DataError D003-D007 unless `path` is an HDF5 file or a zarr folder on this machine."""
    if path.is_dir():
        check_is_zarr(path)
    else:
        check_is_hdf5(path)


def check_is_zarr(path: Path) -> None:
    """Raise DataError D006 unless the folder `path` is the root of a zarr group."""
    if not any((path / name).is_file() for name in ZARR_METADATA):
        raise DataError(
            "a file or a zarr folder is expected, this is another folder", code="D006",
            where=str(path), fix="name the .h5ad, .h5mu or .zarr inside it",
        )  # fmt: skip


def check_is_hdf5(path: Path) -> None:
    """Raise DataError D003-D007 unless `path` is an HDF5 file on this machine."""
    if re.match(r"[A-Za-z][A-Za-z0-9+]+:/", str(path)):
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


def content_sha256(path: Path) -> str:
    """Return the SHA-256 (64 hex digits) of a file's bytes; of a folder, over its files' names and bytes."""
    if not path.is_dir():
        return sha256(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    listed = "\n".join(f"{file.relative_to(path).as_posix()} {sha256(file)}" for file in files)
    return hashlib.sha256(listed.encode("utf-8", "surrogateescape")).hexdigest()


def stored_bytes(path: Path) -> int:
    """Return how many bytes a file, or all files of a folder, take on disk."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _looks_like(head: bytes) -> str:
    if not head:
        return "an empty file"
    if head[:2] == b"\x1f\x8b":
        return "a gzip file (.rds or .gz)"
    if head[:5] in (b"RDX3\n", b"RDX2\n") or head[:2] == b"X\n":
        return "an R file (.rds)"
    if head[:2] == b"PK":
        return "a zip file"
    return "text" if all(byte in b"\t\r\n" or 31 < byte < 127 for byte in head) else "a binary file"
