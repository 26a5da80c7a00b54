"""Negative-binomial noise alone: this project's closed form beside the samplers of NumPy and torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from benchmarks.process_side import repeated, seconds_a_step
from benchmarks.rivals.lightning_contrastive import numpy_noise, torch_noise
from benchmarks.side_by_side import Row, at_least
from sslbench.heap import KEEP_FREED_MEMORY
from sslbench.pretext.augmentations.negative_binomial_noise import noise_counts

GROUP, GOAL, SHAPE = "noise", 20.0, (512, 19_331)
NOTE = "the same distribution; each side draws U too and gives the counts in its own type"


def closed_form(shape: tuple[int, int]) -> Callable[[], Tensor]:
    """Return what draws noise as this project does."""
    return partial(noise_counts, torch.empty(shape), torch.Generator().manual_seed(0))


def by_numpy(shape: tuple[int, int]) -> Callable[[], np.ndarray]:
    """Return what draws noise as NumPy does."""
    return partial(numpy_noise, shape, np.random.default_rng(0))


def by_torch(shape: tuple[int, int]) -> Callable[[], Tensor]:
    """Return what draws noise as torch does."""
    return partial(torch_noise, shape)


def rows(rounds: int) -> Iterator[Row]:
    """Yield the rows of the noise alone."""
    closed = "floor(10 / U) - 10"
    others = {"NumPy, NB(10, U)": by_numpy, "torch, NB(10, U)": by_torch}
    sides = {
        name: partial(repeated, build=partial(build, SHAPE))
        for name, build in {closed: closed_form, **others}.items()
    }
    seconds = seconds_a_step(
        sides, rounds=rounds, steps=1, environments={closed: KEEP_FREED_MEMORY}
    )
    for name in others:
        yield at_least(
            GOAL,
            group=GROUP,
            what=f"noise counts, {SHAPE[0]} x {SHAPE[1]:,}",
            sides=(closed, name),
            unit="ms",
            values=(1e3 * seconds[closed], 1e3 * seconds[name]),
            note=NOTE,
        )
