"""Fewer labels of the same cells: what is left when only a fraction of the training labels is paid for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sslbench.data.cells import UNLABELLED, Cells
from sslbench.results import suffix_at
from sslbench.seeding import numpy_generator


def thinned(cells: Cells, fraction: float, *, seed: int) -> Cells:
    """Return the same cells with about `fraction` of the labels of each type left, the others -1.

    Subsets of one seed are nested: what is labelled at 5 % is labelled at 10 % too. They depend on the
    cells, the fraction and the seed alone, so that all arms learn from the same labels.
    """
    assert cells.label is not None
    if fraction >= 1:
        return cells
    label = np.full_like(cells.label, UNLABELLED)
    generator = numpy_generator(seed, "labels")
    for code in range(len(cells.label_names)):
        of_type = generator.permutation(np.flatnonzero(cells.label == code))
        kept = of_type[: round(fraction * len(of_type))]
        label[kept] = code
    return replace(cells, label=label)


def types_without_label(cells: Cells, *, fraction: float) -> tuple[str, ...]:
    """Return the types of the cells of which no label would be left at `fraction`, whatever the seed."""
    assert cells.label is not None
    counts = np.bincount(cells.label[cells.label >= 0], minlength=len(cells.label_names))
    lost = (counts > 0) & (np.rint(fraction * counts) < 1)
    return tuple(np.array(cells.label_names)[lost].tolist())


@dataclass(frozen=True, kw_only=True)
class LabelPoint:
    """Training and validation cells with one fraction of their labels."""

    fraction: float
    suffix: str  # what the names of its scores end in: nothing for the trial's own point, else `_at_5` for 5 %
    train: Cells
    val: Cells


def label_points(
    train: Cells, val: Cells, *, fraction: float, further: tuple[float, ...], seed: int
) -> list[LabelPoint]:
    """Return the point at `fraction`, then one for each of the `further` fractions at which every type keeps a label.

    Validation labels are thinned alike. Those of `fraction` are the same whatever the seed, because a search
    must not choose among subsets; those of `further` are drawn among them and differ from seed to seed, so that no
    score rests on one lucky draw.
    """
    own = LabelPoint(
        fraction=fraction,
        suffix="",
        train=thinned(train, fraction, seed=0),
        val=thinned(val, fraction, seed=0),
    )
    points = [
        LabelPoint(
            fraction=f,
            suffix=suffix_at(f),
            train=thinned(own.train, f / fraction, seed=seed),
            val=thinned(own.val, f / fraction, seed=seed),
        )
        for f in further
        if not types_without_label(own.train, fraction=f / fraction)
    ]
    return [own, *(point for point in points if _any_label(point.val))]


def _any_label(cells: Cells) -> bool:
    return cells.label is not None and bool((cells.label != UNLABELLED).any())
