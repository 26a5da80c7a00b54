"""Write a copy of someone's cells with something added: the file, or zarr folder, itself is never changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sslbench.data.source_files import is_zarr
from sslbench.errors import RefusedError


def refuse_occupied(out: Path, *, file: Path, force: bool) -> None:
    """Raise RefusedError if `out` is the input or of another format, or is there already and may not be replaced."""
    here, there = file.resolve(), out.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise RefusedError(
            "--out is the input file, or one lies in the other; the input is never changed",
            fix="choose another --out",
        )
    if out.suffix != file.suffix:
        raise RefusedError(
            "a copy has the format of its input",
            where=f"--out {out}",
            fix=f"a name that ends in {file.suffix!r}",
        )
    if out.is_dir() and not (file.is_dir() and is_zarr(out)):
        raise RefusedError(f"{out} is a folder of something else", fix="choose another --out")
    if out.exists() and not force:
        raise RefusedError(f"{out} exists already", fix="--force replaces it")


def write_copy(file: Path, out: Path, *, within: str, add: Callable[[Any], None]) -> None:
    """Copy the cells and let `add` put more into the copy; `out` is there whole or not at all.

    `add` is given the group of the AnnData: the root, or what is at `within` (the RNA of an .h5mu).
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.tmp")
    _remove(temporary)
    try:
        with _copied(file, temporary) as root:
            add(root[within] if within else root)
        if out.is_dir():
            _remove(out)  # only a file can be replaced in one step
        temporary.replace(out)
    finally:
        _remove(temporary)


def part(group: Any, name: str) -> Any:
    """Return obsm or uns of an opened AnnData, made if it is not there."""
    from anndata.io import write_elem

    if name not in group:
        write_elem(group, name, {})
    return group[name]


@contextmanager
def _copied(file: Path, to: Path) -> Iterator[Any]:
    """Copy a file or zarr folder, and open the copy to write into it."""
    if file.is_dir():
        import zarr

        shutil.copytree(file, to)
        consolidated = zarr.open_group(to, mode="r").metadata.consolidated_metadata is not None
        yield zarr.open_group(to, mode="r+", use_consolidated=False)
        if consolidated:
            zarr.consolidate_metadata(to)
        return
    import h5py

    shutil.copyfile(file, to)
    with h5py.File(to, "r+") as root:
        yield root


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
