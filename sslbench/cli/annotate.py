"""`sslbench annotate`: a user's .h5ad in, the same cells with predicted cell types out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sslbench.cli import terminal
from sslbench.cli.copies import refuse_occupied, write_copy

if TYPE_CHECKING:
    import h5py
    import pandas as pd

LABEL, PROBABILITY, UNS_KEY = "sslbench_label", "sslbench_prob", "sslbench_annotation"


def annotate_file(
    file: Path, *, model: Path, out: Path, counts: str | None, device: str, force: bool
) -> None:
    """Write a copy of `file` with labels added; cells are read in blocks and `file` is never written."""
    import anndata
    from anndata.io import write_elem

    from sslbench.checkpoint import annotate
    from sslbench.data.h5ad import open_h5ad

    refuse_occupied(out, file=file, force=force)
    with open_h5ad(file) as cells:  # says what is wrong with a file that is no .h5ad
        cells.obs()
    with terminal.working("annotating"):
        adata = anndata.read_h5ad(file, backed="r")
        annotate(adata, model=model, counts=counts, device=device)

        def add(copy: h5py.File) -> None:
            add_columns(copy, adata.obs[[LABEL, PROBABILITY]])
            write_elem(copy.require_group("uns"), UNS_KEY, adata.uns[UNS_KEY])

        write_copy(file, out, add=add)
    found = adata.obs[LABEL].value_counts().head(5)
    shown = ", ".join(f"{label} {n:,}" for label, n in found.items() if n)
    terminal.say("written", f'{out}: obs["{LABEL}"], obs["{PROBABILITY}"]  ({shown}, …)')


def add_columns(file: h5py.File, columns: pd.DataFrame) -> None:
    """Put columns into the obs of an opened .h5ad and touch no other of it."""
    from anndata.io import write_elem

    obs = file["obs"]
    for name in columns.columns:
        write_elem(obs, name, columns[name].values)
    order = [str(name) for name in obs.attrs["column-order"] if name not in columns.columns]
    obs.attrs["column-order"] = [*order, *columns.columns]
