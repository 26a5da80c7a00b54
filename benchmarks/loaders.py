"""Random minibatches, warm, on one thread: the cell store beside what people load cells with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from anndata import AnnData
from scdataset import BlockShuffling, SamplingStrategy, Streaming
from torch import Tensor
from torch.utils.data import BatchSampler, RandomSampler

from benchmarks.bench_cells import ALL_GENES, BenchCells, bench_cells
from benchmarks.rivals import annloader, backed_h5ad, row_dataset, scdataset_blocks, scipy_rows
from benchmarks.side_by_side import Row, at_least, seconds_of
from sslbench.data.cells import CellBatch, Cells
from sslbench.data.packed import Expression

MINIBATCH = 512
MINIBATCHES = 8  # of one epoch, which is one round; times are given for one of them
WHAT = f"random minibatches of {MINIBATCH}, {ALL_GENES:,} genes"
PACKED, ANNBATCH, GOAL_ANNBATCH = "cell store, packed CSR", "annbatch, sparse, on disk", 4.0
DENSE = "cell store, dense"
GOALS = {  # of dense minibatches
    "AnnLoader, in memory": 10.0,
    "row-by-row Dataset": 10.0,
    "backed .h5ad, sorted rows": 8.0,
    "scipy rows, in memory": 2.0,
    "scDataset, in memory": 2.0,
}
BEFOREHAND = "ours normalises each minibatch, the other's values were normalised before"
NOTES = {
    ANNBATCH: f"{BEFOREHAND}; its chunks of 32 rows are less random than ours",
    "scDataset, in memory": f"{BEFOREHAND}; its blocks of 8 rows are less random than ours",
}
AS_TRAINED_ON = (
    "what either side trains on: packed rows here, whose zeros are never made, dense rows there"
)
OPEN = "needs Python 3.12 or newer and is not installed here, so nothing is compared"


@dataclass(frozen=True, kw_only=True)
class Order:
    """How the rows are drawn: by a sampler for sides that take one, by a strategy for scDataset."""

    sampler: Callable[[], Iterable[int]]
    strategy: SamplingStrategy


def shuffled(n_cells: int) -> Order:
    """Return a new order each epoch, the same for every side that takes a sampler."""

    def sampler() -> RandomSampler:
        return RandomSampler(range(n_cells), generator=torch.Generator().manual_seed(0))

    return Order(sampler=sampler, strategy=BlockShuffling())


def batches(cells: Cells, sampler: Iterable[int]) -> Iterator[CellBatch]:
    """Yield minibatches of this project as `sampler` orders the cells, epoch after epoch."""
    while True:
        for index in BatchSampler(sampler, batch_size=MINIBATCH, drop_last=True):
            yield cells.minibatch(np.array(index))


def packed(cells: Cells, file: Path, order: Order) -> dict[str, Iterator[Expression]]:
    """Return the sides that yield sparse minibatches: ours, and annbatch where it is installed."""
    ours = (batch.expression for batch in batches(cells, order.sampler()))
    if find_spec("annbatch") is None:
        return {PACKED: ours}
    from benchmarks.rivals import annbatch_sparse

    return {PACKED: ours, ANNBATCH: annbatch_sparse.minibatches(file, size=MINIBATCH)}


def dense(
    cells: Cells, normalised: AnnData, file: Path, order: Order
) -> dict[str, Iterator[Tensor]]:
    """Return the sides that yield dense float32 (512, n_genes): ours, then those of GOALS."""
    drawn = order.sampler
    sides = (
        annloader.minibatches(normalised, sampler=drawn(), size=MINIBATCH),
        row_dataset.minibatches(normalised.X, sampler=drawn(), size=MINIBATCH),
        backed_h5ad.minibatches(file, sampler=drawn(), size=MINIBATCH),
        scipy_rows.minibatches(normalised.X, sampler=drawn(), size=MINIBATCH),
        scdataset_blocks.minibatches(normalised, strategy=order.strategy, size=MINIBATCH),
    )
    ours = (batch.x for batch in batches(cells, drawn()))
    return {DENSE: ours, **dict(zip(GOALS, sides, strict=True))}


def check_equal(minibatches: Mapping[str, Tensor]) -> None:
    """Raise ValueError if some side's minibatch (n_cells, n_genes) is not what this project's is."""
    ours = minibatches[DENSE].numpy()
    for name, x in minibatches.items():
        if x.dtype != torch.float32 or not np.allclose(x.numpy(), ours, rtol=1e-5, atol=1e-6):
            raise ValueError(f"{name} yields other values than {DENSE} for the same cells")


def sides(bench: BenchCells) -> dict[str, Iterator[Expression]]:
    """Return all sides, ready to be asked for random minibatches; what they yield is checked first."""
    normalised = bench.normalised()
    file = Path(bench.folder.name) / "normalised.h5ad"
    normalised.write_h5ad(file)
    ascending = np.arange(0, MINIBATCH * MINIBATCHES, MINIBATCHES)
    same_cells = Order(sampler=ascending.tolist, strategy=Streaming(indices=ascending))
    first = dense(bench.cells, normalised, file, same_cells)
    check_equal({name: next(side) for name, side in first.items()})
    random = shuffled(len(bench.cells))
    return {
        **packed(bench.cells, file, random),
        **dense(bench.cells, normalised, file, random),
    }


def row_of(milliseconds: Mapping[str, np.ndarray], ours: str, other: str, goal: float) -> Row:
    """Return the row of two sides that were measured, (rounds,) of each."""
    return at_least(
        goal,
        group="loaders",
        what=WHAT,
        sides=(ours, other),
        unit="ms a minibatch",
        values=(milliseconds[ours], milliseconds[other]),
        note=NOTES.get(other, BEFOREHAND),
    )


def open_row(milliseconds: Mapping[str, np.ndarray]) -> Row:
    """Return the row of packed minibatches where annbatch is not installed."""
    nothing = np.full_like(milliseconds[PACKED], np.nan)
    row = row_of({**milliseconds, ANNBATCH: nothing}, PACKED, ANNBATCH, GOAL_ANNBATCH)
    return replace(row, met=None, note=OPEN)


def rows(rounds: int) -> Iterator[Row]:
    """Yield one row for every other side."""
    torch.set_num_threads(1)
    bench = bench_cells(n_cells=MINIBATCH * MINIBATCHES, n_genes=ALL_GENES)
    steps = {name: partial(next, side) for name, side in sides(bench).items()}
    seconds = seconds_of(steps, rounds=rounds, repeats=MINIBATCHES)
    if torch.get_num_threads() != 1:
        raise RuntimeError(f"one thread is measured, torch has {torch.get_num_threads()} by now")
    milliseconds = {name: 1e3 * values for name, values in seconds.items()}
    if ANNBATCH in milliseconds:
        yield row_of(milliseconds, PACKED, ANNBATCH, GOAL_ANNBATCH)
    else:
        yield open_row(milliseconds)
    for other, goal in GOALS.items():
        yield row_of(milliseconds, DENSE, other, goal)
        as_trained_on = row_of(milliseconds, PACKED, other, goal)
        yield replace(as_trained_on, goal="", met=None, note=AS_TRAINED_ON)
