"""The units in which whatever is fitted sees its inputs: mean 0 and spread 1 over the cells that it is fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FLAT = (
    1e-6  # a dimension that varies by less, relative to its mean, is float32 rounding, not signal
)


@dataclass(frozen=True, kw_only=True)
class Standardisation:
    """Mean and spread of training cells, by which any cells' inputs are measured."""

    centre: np.ndarray  # (n_inputs,)
    scale: np.ndarray  # (n_inputs,)

    @classmethod
    def of(cls, inputs: np.ndarray) -> Standardisation:
        """Take them from inputs (n_cells, n_inputs); one that is flat is only moved to 0."""
        centre, scale = inputs.mean(axis=0), inputs.std(axis=0)
        return cls(centre=centre, scale=np.where(scale <= FLAT * np.abs(centre), 1.0, scale))

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Return inputs (n_cells, n_inputs) in these units."""
        standardised: np.ndarray = (inputs - self.centre) / self.scale
        return standardised
