"""One optimisation step on a GPU, beside plain Lightning and the device's limits, and many small trials on one device.

On a machine without a GPU that torch can use, its rows stay open: no figure stands where no GPU has made one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch

from benchmarks.bench_cells import ALL_GENES, bench_cells
from benchmarks.process_side import Endless, Pause, process, seconds_a_step
from benchmarks.rivals.lightning_mae import (
    MaskedAutoencoder,
    bernoulli_mask,
    published_metrics,
    train,
)
from benchmarks.side_by_side import WARM_UPS, Row, at_least, quartiles, seconds_of
from benchmarks.steps import DEFAULT, PUBLISHED, Work, decoder_options, normalised_file, our_pretext
from sslbench.config import TrainingOptions
from sslbench.data.store import open_cells
from sslbench.training import fit

GROUP, UNIT, OURS = "gpu", "ms a step", "sslbench, counts resident on the device"
N_CELLS, STEPS, GIVES_UP = 16_384, 20, 10**9
LARGE = Work(network=PUBLISHED, n_genes=ALL_GENES, minibatch=8_192)
SMALL = Work(network=DEFAULT, n_genes=2_000, minibatch=256)
N_TRIALS = 32
GOAL_PLAIN, GOAL_SHARE, GOAL_SHARED = 300.0, 50.0, 10.0
DENSE_READS = 6  # arrays (n_cells, n_genes) float32 that a step must at least write and read again
LIMIT_NOTE = (
    "the longer of two times: the step's dense products at the device's bfloat16 rate, and the dense arrays it "
    "cannot avoid (counts, expression, mask, prediction and their gradients) at the rate of a copy"
)


def rows(rounds: int) -> Iterator[Row]:
    """Yield the rows of the device, or open ones where there is none."""
    if not torch.cuda.is_available():
        yield from open_rows()
        return
    yield from step_rows(LARGE, rounds)
    yield shared_row(SMALL, rounds)


def open_rows() -> Iterator[Row]:
    """Yield what has to be measured on a GPU."""
    nothing = float("nan")
    waiting = {
        f"masked step, {LARGE}": ("Lightning + AnnLoader, as published", f"≥ {GOAL_PLAIN:g}x"),
        f"masked step, {LARGE}, of the limit": ("", f"≥ {GOAL_SHARE:g} %"),
        f"{N_TRIALS} trials on one device, {SMALL}": ("one by one", f"≥ {GOAL_SHARED:g}x"),
    }
    for what, (other, goal) in waiting.items():
        yield Row(
            group=GROUP, what=what, ours=OURS, other=other, unit=UNIT,
            our_value=nothing, other_value=nothing, ratio=(nothing,) * 3, goal=goal, met=None,
            rounds=0, load=os.getloadavg()[0], note="open: no GPU on this machine",
        )  # fmt: skip


def ours(pause: Pause, *, work: Work, store: Path, device: str) -> None:
    """Train for ever on the device, as a trial does; a report, at which the device is waited for, ends a turn."""
    cells = open_cells(store, "train").at(np.arange(N_CELLS))
    pretext = our_pretext(work, cells, "masked", decoder_options(work.network)).to(device)
    training = TrainingOptions(
        minibatch_size=work.minibatch, max_updates=GIVES_UP, evaluate_every=pause.steps
    )

    def go_on(*_: object) -> bool:
        pause()
        return True

    fit(pretext, cells, training, seed=0, device=device, on_report=go_on)


def step_rows(work: Work, rounds: int) -> Iterator[Row]:
    """Yield the rows of a large step: beside plain Lightning on the same device, and beside its limit."""
    store = bench_cells(n_cells=N_CELLS, n_genes=work.n_genes).store
    other = "Lightning + AnnLoader, as published"
    build = partial(
        MaskedAutoencoder, network=work.network, mask=bernoulli_mask, metrics=published_metrics
    )
    sides: dict[str, Endless] = {
        OURS: partial(ours, work=work, store=store, device="cuda"),
        other: partial(
            train,
            file=normalised_file(work.n_genes, N_CELLS),
            minibatch=work.minibatch,
            build=build,
            accelerator="gpu",
        ),
    }
    seconds = seconds_a_step(sides, rounds=rounds, steps=STEPS)
    values = (1e3 * seconds[OURS], 1e3 * seconds[other])
    yield at_least(
        GOAL_PLAIN, group=GROUP, what=f"masked step, {work}", sides=(OURS, other), unit=UNIT, values=values
    )  # fmt: skip
    yield limit_row(work, seconds[OURS])


def limit_row(work: Work, step: np.ndarray) -> Row:
    """Return the row of the share of the device's limit, from the seconds (rounds,) of a step."""
    n_bytes = 2 * DENSE_READS * 4 * work.minibatch * work.n_genes
    limit = max(work.flops / product_rate(work), n_bytes / copy_rate())
    share = limit / step
    middle = 100 * float(np.median(share))
    return Row(
        group=GROUP, what=f"masked step, {work}, of the limit", ours=OURS, other="", unit="% of the limit",
        our_value=middle, other_value=float("nan"), ratio=quartiles(share), goal=f"≥ {GOAL_SHARE:g} %",
        met=middle >= GOAL_SHARE, rounds=len(step), load=os.getloadavg()[0], note=LIMIT_NOTE,
    )  # fmt: skip


def product_rate(work: Work) -> float:
    """Return FLOP/s of a dense bfloat16 product of a step's largest shape on the device."""
    x = torch.rand(work.minibatch, work.n_genes, device="cuda", dtype=torch.bfloat16)
    weight = torch.rand(work.n_genes, 512, device="cuda", dtype=torch.bfloat16)
    return 2 * work.minibatch * work.n_genes * 512 / waited_for(lambda: x @ weight)


def copy_rate() -> float:
    """Return bytes a second, read and written, of a copy of 1 GB on the device."""
    source = torch.ones(2**30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2 * 2**30 / waited_for(lambda: target.copy_(source))


def waited_for(work: Callable[[], object]) -> float:
    """Return the median seconds of one call, the device's work included."""

    def call() -> None:
        work()
        torch.cuda.synchronize()

    return float(np.median(seconds_of({"": call}, repeats=10)[""]))


def shared_row(work: Work, rounds: int) -> Row:
    """Return the row of many small trials, each in a process of its own as in a sweep, on one device."""
    store = bench_cells(n_cells=N_CELLS, n_genes=work.n_genes).store
    side = partial(ours, work=work, store=store, device="cuda")
    alone, together = [], []
    with ExitStack() as processes:
        pipes = [processes.enter_context(process(side, STEPS, {})) for _ in range(N_TRIALS)]
        for number in range(WARM_UPS + rounds):
            one, all_of_them = turn(pipes[:1]), turn(pipes)
            if number >= WARM_UPS:
                alone.append(N_TRIALS * one)
                together.append(all_of_them)
    return at_least(
        GOAL_SHARED,
        group=GROUP,
        what=f"{N_TRIALS} trials on one device, {work}",
        sides=("all at once", "one by one"),
        unit=f"s for {STEPS} steps of all",
        values=(np.array(together), np.array(alone)),
    )


def turn(pipes: list[Connection]) -> float:
    """Let the processes take their steps at the same time; return the seconds until the last is done."""
    started = time.perf_counter()
    for pipe in pipes:
        pipe.send("step")
    for pipe in pipes:
        pipe.recv()
    return time.perf_counter() - started
