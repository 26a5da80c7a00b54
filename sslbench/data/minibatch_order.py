"""In which order cells are trained on: shuffled anew every epoch, minibatch after minibatch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


class MinibatchOrder:
    """An endless iterator over positions of cells, whose place can be noted and taken up again.

    All minibatches have one size: what remains of an epoch is left out, because the losses of joint embedding change
    their scale with the number of cells. Fewer cells than `minibatch_size` are one minibatch.
    """

    def __init__(
        self, n_cells: int, minibatch_size: int, *, generator: np.random.Generator
    ) -> None:
        self._n_cells, self._size = n_cells, min(minibatch_size, n_cells)
        self._generator = generator
        self._begin_epoch()

    def __iter__(self) -> MinibatchOrder:
        return self

    def __next__(self) -> np.ndarray:
        """Return the positions (minibatch_size,) of the next minibatch."""
        if self._start + self._size > self._n_cells:
            self._begin_epoch()
        chosen = self._shuffled[self._start : self._start + self._size]
        self._start += self._size
        return chosen

    def state(self) -> dict[str, Any]:
        """Return the place in plain numbers: the generator as it was before this epoch, and how far the epoch is."""
        return {"generator": self._before, "start": self._start}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a place that `state` has noted."""
        self._generator.bit_generator.state = state["generator"]
        self._begin_epoch()
        self._start = state["start"]

    def _begin_epoch(self) -> None:
        self._before = self._generator.bit_generator.state
        self._shuffled = self._generator.permutation(self._n_cells)
        self._start = 0
