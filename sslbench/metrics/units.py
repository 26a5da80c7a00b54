"""What an interval of a score is made of: the test donors, or resampled cells where there is only one donor."""

from __future__ import annotations

from typing import Literal

import numpy as np

UnitKind = Literal["donors", "cells"]  # single donors, or resamples of the cells of one

N_RESAMPLES = 400
_SEED = 20240913  # any constant: arms and seeds must be scored on the same resampled cells


def unit_kind(donor: np.ndarray) -> UnitKind:
    """Return what the units of cells are, from the donor of each (n_cells,) str."""
    return "donors" if len(np.unique(donor)) > 1 else "cells"


def unit_weights(donor: np.ndarray) -> np.ndarray:
    """Return how much each cell weighs in each unit, (n_units, n_cells) float32, from its donor (n_cells,) str.

    Several donors are the units, in the order of their names, each cell weighing 1 in its own. With one donor,
    or none known, the units are `N_RESAMPLES` bootstrap resamples of the cells: how often each cell was drawn.
    The weights depend on the cells alone, so that all arms and seeds are paired.
    """
    names = np.unique(donor)
    if unit_kind(donor) == "donors":
        return np.asarray(donor == names[:, None], dtype=np.float32)
    n_cells, generator = len(donor), np.random.default_rng([_SEED, len(donor)])
    weights = np.empty((N_RESAMPLES, n_cells), dtype=np.float32)
    for resample in weights:
        resample[:] = np.bincount(generator.integers(n_cells, size=n_cells), minlength=n_cells)
    return weights
