"""`sslbench annotate`: a user's cells in, the same cells with predicted cell types out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sslbench.cli import terminal
from sslbench.cli.copies import part, refuse_occupied, write_copy

if TYPE_CHECKING:
    import pandas as pd

UNS_KEY = "sslbench_annotation"
MOST_NAMED = 5  # labels that are named on the last line


def annotate_file(
    file: Path, *, model: Path, out: Path, counts: str | None, device: str, force: bool
) -> None:
    """Write a copy of `file` with labels added; cells are read in blocks and `file` is never written."""
    from anndata.io import write_elem

    from sslbench.checkpoint import load_classifier, load_encoder
    from sslbench.data.opening import open_cells_file
    from sslbench.embedding import embedded_slots, predicted_labels

    refuse_occupied(out, file=file, force=force)
    classifier = load_classifier(model, device=device)
    pulled = load_encoder(model, device=device)
    with terminal.working("annotating"):
        with open_cells_file(file) as cells:
            found = embedded_slots(pulled, cells, counts=counts)
        columns = predicted_labels(pulled, found, classifier=classifier)
        about = {**pulled.about, **found.coverage.as_uns()}

        def add(copy: Any) -> None:
            add_columns(copy, columns)
            write_elem(part(copy, "uns"), UNS_KEY, about)

        write_copy(file, out, within=cells.within, add=add)
    label, probability = columns.columns
    terminal.say("genes", str(found.coverage))
    terminal.say(
        "written", f'{out}: obs["{label}"], obs["{probability}"]  ({_counted(columns[label])})'
    )


def add_columns(copy: Any, columns: pd.DataFrame) -> None:
    """Put columns into the obs of an opened AnnData and touch no other of it."""
    from anndata.io import write_elem

    obs = copy["obs"]
    for name in columns.columns:
        write_elem(obs, name, columns[name].values)
    order = [str(name) for name in obs.attrs["column-order"] if name not in columns.columns]
    obs.attrs["column-order"] = [*order, *columns.columns]


def _counted(labels: pd.Series) -> str:
    """Return the labels with most cells, and how many cells have none."""
    n_cells = labels.value_counts()
    named = [f"{label} {n:,}" for label, n in n_cells[n_cells > 0].head(MOST_NAMED).items()]
    further = int((n_cells > 0).sum()) - len(named)
    named += [f"{further} further types"] if further else []
    n_missing = int(labels.isna().sum())
    return ", ".join(named + ([f"no label {n_missing:,}"] if n_missing else []))
