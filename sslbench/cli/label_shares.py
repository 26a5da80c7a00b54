"""How many labels are left at each share of them that a sweep asks for: counted once, written into its question."""

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
    train = open_cells(store, "train")
    found = []
    for fraction in (spec.label_fraction, *spec.label_fractions):
        label = thinned(train, fraction, seed=0).label
        assert label is not None
        lost = types_without_label(train, fraction=fraction)
        found.append(LabelsLeft(fraction=fraction, n_labels=int((label >= 0).sum()), lost=lost))
    return tuple(found)
