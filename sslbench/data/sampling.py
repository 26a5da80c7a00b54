"""A fixed part of many cells, for scores that are looked at often: every trial of a data set gets the same."""

from __future__ import annotations

import numpy as np

from sslbench.data.cells import UNLABELLED, Cells

SEED = 0  # the part belongs to the cells, never to a trial


def part_of(cells: Cells, *, about: int, labelled: bool = True) -> Cells:
    """Return the cells as they are, or of more than `about` cells about so many labelled ones, each label by its share.

    A label keeps at least one cell, so that none can vanish from a score; the order of cells stays. Cells
    without a label are left out of a part, unless `labelled` is False: then any cell may be in it.
    """
    assert cells.label is not None
    if len(cells) <= about:
        return cells
    generator, has_label = np.random.default_rng(SEED), cells.label != UNLABELLED
    if not labelled or not has_label.any():
        return cells.at(np.sort(generator.permutation(len(cells))[:about]))
    share = min(1.0, about / int(has_label.sum()))
    kept = [
        generator.permutation(np.flatnonzero(cells.label == label))[: _quota(share, n)]
        for label, n in zip(*np.unique(cells.label[has_label], return_counts=True))
    ]
    return cells.at(np.sort(np.concatenate(kept)))


def _quota(share: float, n_cells: int) -> int:
    return max(1, round(share * int(n_cells)))
