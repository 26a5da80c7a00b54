"""Is there a file of cells at this path, and which bytes is it? Opens nothing: needs neither h5py nor zarr."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from sslbench.durable import sha256
from sslbench.errors import DataError

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# HDF5 may begin behind a block of something else: every .h5mu does, 512 bytes in.
HDF5_STARTS = (0, *(2**power for power in range(9, 14)))
ZARR_METADATA = (".zgroup", "zarr.json")  # of zarr format 2 and 3
CELLS_SUFFIXES = (".h5ad", ".zarr", ".h5mu")
MOST_NAMED = 5


def check_is_cells_file(path: Path) -> None:
    """Raise DataError D003-D007 unless `path` is an HDF5 file or a zarr folder on this machine."""
    if path.is_dir():
        check_is_zarr(path)
    else:
        check_is_hdf5(path)


def is_url(path: Path) -> bool:
    """Say whether a path was meant as an address; as a path it has lost one of its slashes."""
    return re.match(r"[A-Za-z][A-Za-z0-9+]+:/", str(path)) is not None


def is_zarr(path: Path) -> bool:
    """Say whether the folder `path` is the root of a zarr group."""
    return any((path / name).is_file() for name in ZARR_METADATA)


def check_is_zarr(path: Path) -> None:
    """Raise DataError D006 unless the folder `path` is the root of a zarr group."""
    if not is_zarr(path):
        raise DataError(
            "a file or a zarr folder is expected, this is another folder", code="D006",
            where=str(path), found=f"in it: {_members(path)}",
            fix="name the .h5ad, .h5mu or .zarr itself",
        )  # fmt: skip


def check_is_hdf5(path: Path) -> None:
    """Raise DataError D003-D007 unless `path` is an HDF5 file on this machine."""
    if is_url(path):
        raise DataError(
            "a file on this machine is expected, a URL is given", code="D007", where=str(path),
            found="nothing is downloaded unasked", fix="download it first",
        )  # fmt: skip
    if not path.is_file():
        beside = path.absolute().parent
        raise DataError(
            "no such file", code="D005", where=str(path.absolute()),
            found=f"in its folder: {_members(beside)}" if beside.is_dir() else "nor such a folder",
            fix="correct the path; a relative one counts from where you are, or from its YAML",
        )  # fmt: skip
    head = _head(path)
    if not any(head.startswith(HDF5_SIGNATURE, start) for start in HDF5_STARTS):
        raise DataError(
            f"this is {_looks_like(head[:8])}, not HDF5",
            code="D003",
            where=str(path),
            found=f"{path.stat().st_size:,} bytes, the first {head[:8]!r}",
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


def _members(folder: Path) -> str:
    """Return the names of some of what is in a folder, cells first."""
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    names.sort(key=lambda name: Path(name).suffix not in CELLS_SUFFIXES)
    shown = names[:MOST_NAMED] + ([f"{len(names) - MOST_NAMED} more"] * (len(names) > MOST_NAMED))
    return ", ".join(shown) or "nothing"


def _head(path: Path) -> bytes:
    """Return as many bytes as are needed to find the signature of HDF5."""
    try:
        with path.open("rb") as file:
            return file.read(HDF5_STARTS[-1] + len(HDF5_SIGNATURE))
    except OSError as error:
        raise DataError(
            "this file cannot be opened", code="D009", where=str(path), found=error.strerror,
            fix="ask its owner, or copy it to where you may read it",
        ) from error  # fmt: skip


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
