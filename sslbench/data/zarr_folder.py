"""Open a zarr folder of cells, or say what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sslbench.data.readable import readable
from sslbench.data.source_files import check_is_zarr
from sslbench.errors import DataError, RefusedError

# The matrices in which a missing chunk cannot be a chunk of zeros; both would be read as zeros.
_NEVER_EMPTY = tuple(
    f"{place}/{part}" for place in ("layers/counts", "raw/X", "X") for part in ("data", "indices")
)


@contextmanager
def opened_zarr(path: Path) -> Iterator[Any]:
    """Open a zarr folder of format 2 or 3 to read it and yield its root group.

    Raises
    ------
    DataError
        D001 if chunks of a count matrix are missing, D002 if its description is damaged, D006 if the
        folder is no zarr group.
    RefusedError
        R012 if reading an array would run what the file holds.
    """
    import zarr  # only here: most files are HDF5, and importing it takes a while

    check_is_zarr(path)
    with readable(path, "/"):
        root = zarr.open_group(path, mode="r")
        arrays = dict(root.members(max_depth=None))
    for place, member in arrays.items():
        if isinstance(member, zarr.Array):
            _refuse_pickles(member, path=path, place=place)
            _refuse_holes(member, path=path, place=place)
    yield root


def _refuse_pickles(array: Any, *, path: Path, place: str) -> None:
    """Zarr can store objects as pickles, and unpickling them runs what their writer wanted."""
    metadata = array.metadata.to_dict()
    codecs = [*(metadata.get("filters") or ()), metadata.get("compressor")]
    codecs += metadata.get("codecs") or ()
    if any("pickle" in str(codec).lower() for codec in codecs):
        raise RefusedError(
            "an array of this zarr folder is stored as pickles: reading it could run anything",
            code="R012",
            where=f"{path}, {place}",
            fix="write the file again with a current anndata",
        )


def _refuse_holes(array: Any, *, path: Path, place: str) -> None:
    if not place.endswith(_NEVER_EMPTY) or array.ndim != 1:
        return
    there, wanted = array.nchunks_initialized, array.nchunks
    if there < wanted:
        raise DataError(
            "the folder is not whole", code="D001", where=f"{path}, {place}",
            found=f"{there:,} of {wanted:,} chunks ({1 - there / wanted:.0%} missing)",
            fix="copy or download the folder again",
        )  # fmt: skip
