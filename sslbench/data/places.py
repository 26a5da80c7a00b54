"""Where a data set's files lie that are not in the package: in the user's folder, or in the cache of what was fetched."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from sslbench.data.catalogue import BUNDLED
from sslbench.errors import DataError, SetupError

FOLDER_VARIABLE = "SSLBENCH_DATA"
FOLDER, FETCHED = "folder:", "fetched:"

Place = Literal["bundled", "folder", "fetched", "own"]


def located(file: Path) -> Path:
    """Return where a file of a data set lies; one named by its path is returned as it is.

    `folder:NAME` is NAME in the folder that the environment variable SSLBENCH_DATA names, `fetched:NAME`
    is NAME in the cache that `sslbench data fetch` fills.

    Raises
    ------
    SetupError
        S040 if SSLBENCH_DATA is not set, S041 if it names no folder, S042 if the file was not fetched yet.
    DataError
        D005 if the folder lacks the file.
    """
    place, name = place_of(file), str(file).partition(":")[2]
    if place == "folder":
        return _in_folder(name)
    return _in_cache(name) if place == "fetched" else file


def place_of(file: Path) -> Place:
    """Say which kind of place a file of a data set is in, whether it is there or not."""
    text = str(file)
    if text.startswith(FOLDER):
        return "folder"
    if text.startswith(FETCHED):
        return "fetched"
    return "bundled" if file.parent == BUNDLED else "own"


def cache_folder() -> Path:
    """Return the folder of fetched files: `$XDG_CACHE_HOME/sslbench`, or ~/.cache/sslbench."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sslbench"


def _in_folder(name: str) -> Path:
    fix = f"set {FOLDER_VARIABLE} to the folder that holds {name}"
    named = os.environ.get(FOLDER_VARIABLE)
    if not named:
        raise SetupError(
            f"{FOLDER_VARIABLE} does not say where your data sets lie", code="S040", fix=fix
        )
    folder = Path(named).absolute()
    if not folder.is_dir():
        raise SetupError(
            f"{FOLDER_VARIABLE} names no folder", code="S041", where=str(folder), fix=fix
        )
    if not (folder / name).exists():
        raise DataError(
            f"no such file in the folder that {FOLDER_VARIABLE} names",
            code="D005",
            where=str(folder / name),
            fix=f"put {name} there, or {fix}; `sslbench data list --format json` says where it comes from",
        )
    return folder / name


def _in_cache(name: str) -> Path:
    file = cache_folder() / name
    if not file.is_file():
        what = Path(name).stem
        raise SetupError(
            f"{what} has not been fetched yet",
            code="S042",
            where=str(file),
            fix=f"sslbench data fetch {what}   (once; needs the internet)",
        )
    return file
