"""`sslbench embed`: a user's cells in, the same cells with an embedding out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sslbench.cli import terminal
from sslbench.cli.copies import part, refuse_occupied, write_copy

OBSM_KEY, UNS_KEY = "X_sslbench", "sslbench"


def embed_file(
    file: Path, *, model: Path, out: Path, counts: str | None, device: str, force: bool
) -> None:
    """Write a copy of `file` with the embedding added; cells are read in blocks and `file` is never written."""
    from anndata.io import write_elem

    from sslbench.checkpoint import load_encoder
    from sslbench.data.opening import open_cells_file
    from sslbench.embedding import embedded_slots

    refuse_occupied(out, file=file, force=force)
    pulled = load_encoder(model, device=device)
    with terminal.working("embedding"):
        with open_cells_file(file) as cells:
            found = embedded_slots(pulled, cells, counts=counts)
        about = {**pulled.about, **found.coverage.as_uns(), "key": OBSM_KEY}

        def add(copy: Any) -> None:
            write_elem(part(copy, "obsm"), OBSM_KEY, found.z)
            write_elem(part(copy, "uns"), UNS_KEY, about)

        write_copy(file, out, within=cells.within, add=add)
    terminal.say("genes", str(found.coverage))
    terminal.say("written", f'{out}: obsm["{OBSM_KEY}"] {found.z.shape} float32')
