"""Sides that train, each on one thread of a process of its own: what one does to its process touches no other."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection

import numpy as np
import torch

from benchmarks.side_by_side import WARM_UPS

ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Pause:
    """What a side calls after every `steps` steps: it tells their time, and returns when it is its turn again."""

    def __init__(self, pipe: Connection, *, steps: int) -> None:
        self.steps = steps
        self._pipe = pipe
        self._await_turn()

    def __call__(self) -> None:
        seconds = time.perf_counter() - self._started
        if torch.get_num_threads() != 1:
            raise RuntimeError(f"one thread is measured, torch has {torch.get_num_threads()}")
        self._pipe.send(seconds / self.steps)
        self._await_turn()

    def _await_turn(self) -> None:
        self._pipe.recv()
        self._started = time.perf_counter()


Endless = Callable[[Pause], object]  # takes steps for ever; pickled on its way to the process


def repeated(pause: Pause, *, build: Callable[[], Callable[[], object]]) -> None:
    """Take steps of what `build` returns, for ever."""
    step = build()
    while True:
        for _ in range(pause.steps):
            step()
        pause()


def seconds_a_step(
    sides: Mapping[str, Endless],
    *,
    rounds: int,
    steps: int,
    environments: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, np.ndarray]:
    """Return the seconds of one step of each side, (rounds,); in a round each takes `steps` steps, in turn.

    `environments` holds, by side, what the environment of its process has beside one thread.

    The first turn of a side builds it too, and is a warm-up.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    with ExitStack() as processes:
        pipes = {
            name: processes.enter_context(process(side, steps, (environments or {}).get(name, {})))
            for name, side in sides.items()
        }
        for number in range(WARM_UPS + rounds):
            for name, pipe in pipes.items():
                try:
                    pipe.send("step")
                    answer = pipe.recv()
                except (EOFError, ConnectionError):
                    raise RuntimeError(f"{name!r} ended instead of taking steps") from None
                if number >= WARM_UPS:
                    seconds[name].append(answer)
    return {name: np.array(values) for name, values in seconds.items()}


@contextmanager
def process(side: Endless, steps: int, variables: Mapping[str, str]) -> Iterator[Connection]:
    """Start the process of a side, give the pipe to it, and end it afterwards."""
    spawn = get_context("spawn")
    here, there = spawn.Pipe()
    started = spawn.Process(target=serve, args=(side, there, steps), daemon=True)
    with environment({**ONE_THREAD, **variables}):
        started.start()
    there.close()  # or this process would wait for ever for one that failed
    try:
        yield here
    finally:
        started.kill()  # Lightning takes SIGTERM for itself and goes on
        started.join()


def serve(side: Endless, pipe: Connection, steps: int) -> None:
    """Run a side in its process."""
    torch.set_num_threads(1)
    side(Pause(pipe, steps=steps))


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables that processes started inside the block inherit."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
