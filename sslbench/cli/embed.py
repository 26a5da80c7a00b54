"""`sslbench embed`: a user's .h5ad in, the same cells with an embedding out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from sslbench.cli import terminal
from sslbench.errors import RefusedError

if TYPE_CHECKING:
    from anndata import AnnData

OBSM_KEY, UNS_KEY = "X_sslbench", "sslbench"


def embed_file(
    file: Path, *, model: Path, out: Path, counts: str | None, device: str, force: bool
) -> None:
    """Write a copy of `file` with the embedding added; cells are read in blocks and `file` is never written."""
    import anndata

    from sslbench.checkpoint import embed
    from sslbench.data.h5ad import open_h5ad

    _refuse_occupied(out, file=file, force=force)
    with open_h5ad(file):  # says what is wrong with a file that is no .h5ad
        pass
    with terminal.working("embedding"):
        adata = anndata.read_h5ad(file, backed="r")
        embed(adata, model=model, counts=counts, device=device)
        _write_copy(file, adata, out)
    terminal.say("written", f'{out}: obsm["{OBSM_KEY}"] {adata.obsm[OBSM_KEY].shape} float32')


def _write_copy(file: Path, adata: AnnData, out: Path) -> None:
    """Copy the file and add what `adata` has more; `out` is there whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.tmp")
    try:
        shutil.copyfile(file, temporary)
        _add(temporary, adata)
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)


def _refuse_occupied(out: Path, *, file: Path, force: bool) -> None:
    if out.resolve() == file.resolve():
        raise RefusedError(
            "--out is the input file, which is never changed", fix="choose another --out"
        )
    if out.exists() and not force:
        raise RefusedError(f"{out} exists already", fix="--force replaces it")


def _add(copy: Path, adata: AnnData) -> None:
    """Put embedding and provenance into the copy and touch nothing else of it."""
    import h5py
    from anndata.io import write_elem

    with h5py.File(copy, "r+") as file:
        for group, key in (("obsm", OBSM_KEY), ("uns", UNS_KEY)):
            write_elem(file.require_group(group), key, getattr(adata, group)[key])
