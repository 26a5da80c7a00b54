"""A fixed part of many cells, for scores that are looked at often: every trial of a data set gets the same."""

from __future__ import annotations

import numpy as np

from sslbench.data.cells import UNLABELLED, Cells

SEED = 0  # the part belongs to the cells, never to a trial


def part_of(cells: Cells, *, about: int) -> Cells:
    """Return the cells as they are, or of more than `about` cells about so many labelled ones, each label by its share.

    A label keeps at least one cell, so that none can vanish from a score; the order of cells stays. Cells
    without a label are never scored, and are left out of a part.
    """
    assert cells.label is not None
    if len(cells) <= about:
        return cells
    generator, labelled = np.random.default_rng(SEED), cells.label != UNLABELLED
    share = min(1.0, about / max(1, int(labelled.sum())))
    kept = [
        generator.permutation(np.flatnonzero(cells.label == label))[: _quota(share, n)]
        for label, n in zip(*np.unique(cells.label[labelled], return_counts=True))
    ]
    chosen = np.concatenate(kept) if kept else generator.permutation(len(cells))[:about]
    return cells.at(np.sort(chosen))


def _quota(share: float, n_cells: int) -> int:
    return max(1, round(share * int(n_cells)))
