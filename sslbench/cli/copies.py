"""Write a copy of someone's .h5ad with something added: the file itself is never changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sslbench.errors import RefusedError

if TYPE_CHECKING:
    import h5py


def refuse_occupied(out: Path, *, file: Path, force: bool) -> None:
    """Raise RefusedError if `out` is the input, or is there already and may not be replaced."""
    if out.resolve() == file.resolve():
        raise RefusedError(
            "--out is the input file, which is never changed", fix="choose another --out"
        )
    if out.exists() and not force:
        raise RefusedError(f"{out} exists already", fix="--force replaces it")


def write_copy(file: Path, out: Path, *, add: Callable[[h5py.File], None]) -> None:
    """Copy the file and let `add` put more into the copy; `out` is there whole or not at all."""
    import h5py

    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.tmp")
    try:
        shutil.copyfile(file, temporary)
        with h5py.File(temporary, "r+") as copy:
            add(copy)
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
