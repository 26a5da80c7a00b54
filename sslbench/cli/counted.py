"""How many cells have what a sweep asks for, labels at each share, a second modality: counted once, for its question."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from sslbench.config import Frozen
from sslbench.search.spec import SweepSpec


class LabelsLeft(Frozen):
    """Labels of training cells at one share of them."""

    fraction: float
    n_labels: int
    lost: tuple[str, ...] = Field((), description="types of which none is left")


def labels_left(spec: SweepSpec, store: Path) -> tuple[LabelsLeft, ...]:
    """Return what is left at the sweep's own share and at each further one; nothing if it asks for none of these."""
    from sslbench.data.labels import thinned, types_without_label
    from sslbench.data.store import open_cells

    if not spec.label_fractions:
        return ()
    own = thinned(open_cells(store, "train"), spec.label_fraction, seed=0)
    found = []
    for fraction in (spec.label_fraction, *spec.label_fractions):
        share = fraction / spec.label_fraction
        label = thinned(own, share, seed=0).label
        assert label is not None
        lost = types_without_label(own, fraction=share)
        found.append(LabelsLeft(fraction=fraction, n_labels=int((label >= 0).sum()), lost=lost))
    return tuple(found)


def modality_measured(store: Path) -> dict[str, int]:
    """Return how many cells of each split have the second modality; nothing if the data set names none."""
    from sslbench.data.store import open_cells

    opened = {split: open_cells(store, split) for split in ("train", "val", "test")}
    return {
        split: len(cells.modality_measured)
        for split, cells in opened.items()
        if cells.modality is not None
    }
