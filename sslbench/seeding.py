"""One seed per trial, one independent stream per purpose: a draw added in one place never shifts another."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch


def _sequence(seed: int, purpose: str) -> np.random.SeedSequence:
    return np.random.SeedSequence([seed, zlib.crc32(purpose.encode())])


def numpy_generator(seed: int, purpose: str) -> np.random.Generator:
    """Return the NumPy stream of one purpose ("order", "probe", …) of a trial's seed."""
    return np.random.default_rng(_sequence(seed, purpose))


def torch_generator(seed: int, purpose: str, device: str = "cpu") -> torch.Generator:
    """Return the torch stream of one purpose ("masks", "views", …) of a trial's seed, on `device`."""
    generator = torch.Generator(device=device)
    generator.manual_seed(int(_sequence(seed, purpose).generate_state(1, np.uint64)[0] >> 1))
    return generator


@contextmanager
def global_stream(seed: int, purpose: str) -> Iterator[None]:
    """Seed torch's global stream inside the block and restore it afterwards.

    Weight initialisation and dropout take no generator argument, so they alone are run inside this block.
    """
    with torch.random.fork_rng():
        torch.manual_seed(int(_sequence(seed, purpose).generate_state(1, np.uint64)[0] >> 1))
        yield


def stream_state(device: str) -> dict[str, torch.Tensor]:
    """Return where torch's global stream is, on the CPU and on `device`, as bytes by the kind of device."""
    state = {"cpu": torch.get_rng_state()}
    if torch.device(device).type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_stream(state: Mapping[str, torch.Tensor], device: str) -> None:
    """Put torch's global stream where `stream_state` found it; only inside of `global_stream`, which undoes it."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
