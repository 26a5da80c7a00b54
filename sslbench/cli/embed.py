"""`sslbench embed`: a user's .h5ad in, the same cells with an embedding out."""

from __future__ import annotations

from pathlib import Path

from sslbench.cli import terminal
from sslbench.errors import RefusedError


def embed_file(file: Path, *, model: Path, out: Path) -> None:
    """Embed every cell of `file` and write a copy to `out`; `file` itself is never written."""
    import anndata

    from sslbench.checkpoint import embed

    if out.resolve() == file.resolve():
        raise RefusedError(
            "--out is the input file, which is never changed", fix="choose another --out"
        )
    adata = anndata.read_h5ad(file)
    coverage = embed(adata, model=model)
    terminal.say("genes", str(coverage))
    temporary = out.with_name(f".{out.name}.tmp")
    adata.write_h5ad(temporary)
    temporary.replace(out)
    terminal.say("written", f'{out}: obsm["X_sslbench"] {adata.obsm["X_sslbench"].shape}')
