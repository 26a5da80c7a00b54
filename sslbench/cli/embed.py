"""`sslbench embed`: a user's .h5ad in, the same cells with an embedding out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sslbench.cli import terminal
from sslbench.cli.copies import refuse_occupied, write_copy

if TYPE_CHECKING:
    import h5py

OBSM_KEY, UNS_KEY = "X_sslbench", "sslbench"


def embed_file(
    file: Path, *, model: Path, out: Path, counts: str | None, device: str, force: bool
) -> None:
    """Write a copy of `file` with the embedding added; cells are read in blocks and `file` is never written."""
    import anndata
    from anndata.io import write_elem

    from sslbench.checkpoint import embed
    from sslbench.data.h5ad import open_h5ad

    refuse_occupied(out, file=file, force=force)
    with open_h5ad(file):  # says what is wrong with a file that is no .h5ad
        pass
    with terminal.working("embedding"):
        adata = anndata.read_h5ad(file, backed="r")
        embed(adata, model=model, counts=counts, device=device)

        def add(copy: h5py.File) -> None:
            for group, key in (("obsm", OBSM_KEY), ("uns", UNS_KEY)):
                write_elem(copy.require_group(group), key, getattr(adata, group)[key])

        write_copy(file, out, add=add)
    terminal.say("written", f'{out}: obsm["{OBSM_KEY}"] {adata.obsm[OBSM_KEY].shape} float32')
