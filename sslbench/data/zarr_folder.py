"""Open a zarr folder of cells, or say what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sslbench.data.readable import readable
from sslbench.data.source_files import check_is_zarr
from sslbench.errors import DataError, RefusedError

_DESCRIPTIONS = (
    ".zarray",
    ".zmetadata",
    "zarr.json",
)  # of arrays; `.zmetadata` repeats all of them
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
    _refuse_pickles(path)
    with readable(path, "/"):
        root = zarr.open_group(path, mode="r")
        members = dict(root.members(max_depth=None))
    for place, member in members.items():
        if isinstance(member, zarr.Array):
            _refuse_holes(member, path=path, place=place)
    yield root


def _refuse_pickles(path: Path) -> None:
    """Zarr can store objects as pickles, and unpickling them runs what their writer wanted.

    The descriptions are read here as plain JSON, before zarr makes codecs of them.
    """
    for file in sorted(f for name in _DESCRIPTIONS for f in path.rglob(name)):
        place = str(file.relative_to(path))
        with readable(path, place):
            pickled = _names_pickle(json.loads(file.read_text(encoding="utf-8")))
        if pickled:
            raise RefusedError(
                "an array of this zarr folder is stored as pickles: reading it could run anything",
                code="R012",
                where=f"{path}, {place}",
                fix="write the file again with a current anndata",
            )


def _names_pickle(described: Any) -> bool:
    """Say whether a codec of pickles (`id` in format 2, `name` in format 3) is anywhere in a description."""
    if isinstance(described, dict):
        named = {str(described.get(key)).lower() for key in ("id", "name")}
        return any("pickle" in name for name in named) or any(
            map(_names_pickle, described.values())
        )
    return isinstance(described, list) and any(map(_names_pickle, described))


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
