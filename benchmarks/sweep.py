"""A whole sweep, and one more trial in it: `sslbench sweep` beside Ray Tune + Lightning + AnnLoader.

Both sides search the same space on the same cells by the same sampler, ASHA, number of configurations and trials at a
time; each is a command, timed from its start. One round takes minutes, so there are three at most, and none is begun
after `LONGEST_SECONDS`.

    python -m benchmarks.sweep [--rounds 1] [--trials 16] [--updates 1600]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from benchmarks.search_task import SLOTS, SearchTask
from benchmarks.side_by_side import Row, at_least, at_most
from benchmarks.sweep_commands import Searched, our_store, our_sweep, plain_sweep, worker_memory
from benchmarks.table import Repeated, cells_of

GROUP, OURS = "sweep", "sslbench sweep"
OTHER = "Ray Tune + Lightning + AnnLoader"
N_CELLS, N_GENES, DENSITY, N_TYPES, TYPE_EFFECT = 5_000, 2_000, 0.07, 12, 0.5
N_TRIALS, MAX_UPDATES, EVERY, REDUCTION = 16, 1_600, 50, 4
OUR_EMPTY_TRIALS, OTHER_EMPTY_TRIALS = 32, 8
MOST_ROUNDS, LONGEST_SECONDS = 3, 600.0
GOAL, GOAL_WITHOUT_HALVING, GOAL_POINTS = 8.0, 100.0, 0.5
GOAL_TRIAL_SECONDS, GOAL_EXTRA_MB = 0.5, 100.0
SEARCH_NOTE = (
    "from the start of the command to the end of the last search trial: imports, Ray's start and, on our side, "
    "checking and preparing the cells are in it; so are our mandatory supervised arm, one update long, and the controls"
)
WHOLE_NOTE = (
    "from the start of the command to its end: only ours has a confirm stage, a leaderboard, a report and an MLflow "
    "store that is up to date, all counted against it"
)
WINNER_NOTE = (
    "other's best validation macro F1 minus ours, in points; a trial's score is its best report; ours is the best of "
    "the trials that were not stopped, the other's of all"
)
PRODUCT_NOTE = (
    "computed, not run: the ratio of the search times the updates of all configurations in full over those that "
    "halving spent; it takes an update for all that a sweep costs, see the next line"
)
EXTRAPOLATED_NOTE = (
    "computed, not run: to the other's measured time, the updates that halving saved are added at the measured time "
    "of one in its trials, reports included; what a trial costs before its first update is not multiplied"
)
TRIAL_NOTE = "trials of one update and one report, two at a time: time between the ends of trials in the steady state, times two"


class Pair(NamedTuple):
    """What both sides found in one round."""

    task: SearchTask
    ours: Searched
    other: Searched


@contextmanager
def search_task(n_trials: int = N_TRIALS, max_updates: int = MAX_UPDATES) -> Iterator[SearchTask]:
    """Write the cells and return what is searched on them; the file goes with the block."""
    from benchmarks.bench_cells import design_of
    from sslbench.data.splits import assign_donors
    from sslbench.data.synthetic import synthetic_adata

    design = design_of(n_cells=N_CELLS, n_genes=N_GENES, density=DENSITY)
    adata = synthetic_adata(replace(design, n_types=N_TYPES, type_effect=TYPE_EFFECT))
    donors = assign_donors(adata.obs["donor"].to_numpy(dtype=str))
    with TemporaryDirectory(prefix="sslbench-benchmark-") as folder:
        file = Path(folder) / "cells.h5ad"
        adata.write_h5ad(file)
        yield SearchTask(
            file=str(file),
            train_donors=donors.train,
            val_donors=donors.val,
            n_trials=n_trials,
            max_updates=max_updates,
            evaluate_every=EVERY,
            first_rung=EVERY,
            reduction_factor=REDUCTION,
        )


def rows(rounds: int, *, n_trials: int = N_TRIALS, max_updates: int = MAX_UPDATES) -> Iterator[Row]:
    """Yield the rows of the whole sweep, then those of one more trial, which are measured once."""
    with search_task(n_trials, max_updates) as task:
        pairs = list(searched(task, rounds=min(rounds, MOST_ROUNDS)))
        yield from of_whole_sweeps(pairs)
        yield of_one_more_trial(task)
        yield of_worker_memory(task)


def searched(task: SearchTask, *, rounds: int) -> Iterator[Pair]:
    """Yield round after round, each with its own seed; the side that goes first changes."""
    begun = time.monotonic()
    for number in range(rounds):
        if time.monotonic() - begun > LONGEST_SECONDS:
            return
        seeded = replace(task, seed=number)
        sides = {}
        for side in (our_sweep, plain_sweep)[:: -1 if number % 2 else 1]:
            progress(f"round {number + 1}: {side.__name__}")
            sides[side] = side(seeded)
            progress(f"  {sides[side]}")
        yield Pair(seeded, sides[our_sweep], sides[plain_sweep])


def of_whole_sweeps(pairs: Sequence[Pair]) -> Iterator[Row]:
    """Yield time, score and updates of whole sweeps."""
    task = pairs[0].task
    what = f"{task.n_trials} configurations, up to {task.max_updates:,} updates"
    sides = (OURS, OTHER)
    ours, other = columns(pairs, "search_seconds")
    faster = partial(at_least, group=GROUP, sides=sides, unit="s")
    other_spent = columns(pairs, "updates")[1]
    spent = " and ".join(f"{np.median(n):,.0f}" for n in columns(pairs, "updates"))
    first = " and ".join(f"{np.median(n):.0f}" for n in columns(pairs, "first_seconds"))
    course = f"updates spent, which is luck too: {spent}; seconds to the first trial: {first}"
    note = f"{SEARCH_NOTE}; ours and other: {course}"
    yield faster(GOAL, what=f"{what}: search", values=(ours, other), note=note)
    seconds = columns(pairs, "seconds")
    whole = faster(GOAL, what=f"{what}: command", values=seconds, note=WHOLE_NOTE)
    yield replace(whole, goal="", met=None)
    yield of_winner(f"{what}: winner", *columns(pairs, "best"))
    spared = task.full_updates / other_spent
    halved = f"halving did {np.median(1 / spared):.0%} of the updates"
    yield at_least(
        GOAL_WITHOUT_HALVING,
        group=GROUP,
        what=f"{what}: against no early stopping, product",
        sides=(OURS, f"{OTHER}, all in full"),
        unit="s",
        values=(ours, other * spared),
        note=f"{PRODUCT_NOTE}; {halved}",
    )
    in_full = np.array([seconds_in_full(pair) for pair in pairs])
    extrapolated = at_least(
        GOAL_WITHOUT_HALVING,
        group=GROUP,
        what=f"{what}: against no early stopping, extrapolated",
        sides=(OURS, f"{OTHER}, all in full"),
        unit="s",
        values=(ours, in_full),
        note=f"{EXTRAPOLATED_NOTE}; {halved}",
    )
    yield replace(extrapolated, goal="", met=None)


def columns(pairs: Sequence[Pair], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return one number of our side and of the other's, (rounds,) each."""
    ours, other = ([getattr(side, name) for side in sides] for sides in list(zip(*pairs))[1:])
    return np.array(ours, dtype=float), np.array(other, dtype=float)


def seconds_in_full(pair: Pair) -> float:
    """Return how long the other side's search would take without early stopping."""
    more = pair.task.full_updates - pair.other.updates
    return pair.other.search_seconds + more * pair.other.update_seconds / SLOTS


def of_winner(what: str, ours: np.ndarray, other: np.ndarray) -> Row:
    """Return the row of what our winner's score falls short of the other's."""
    return at_most(
        GOAL_POINTS,
        group=GROUP,
        what=what,
        ours=f"{OURS}, points of macro F1 lost",
        unit="pt",
        values=100 * (other - ours),
        note=f"{WINNER_NOTE}: ours {np.median(ours):.3f}, other {np.median(other):.3f}",
    )


def of_one_more_trial(task: SearchTask) -> Row:
    """Return the row of the fixed cost of a trial in a running sweep."""
    progress("empty trials")
    ours = our_sweep(task.empty(n_trials=OUR_EMPTY_TRIALS)).seconds_a_trial
    other = plain_sweep(task.empty(n_trials=OTHER_EMPTY_TRIALS)).seconds_a_trial
    row = at_most(
        GOAL_TRIAL_SECONDS,
        group=GROUP,
        what="fixed cost of one more trial",
        ours=OURS,
        unit="s",
        values=np.array([ours]),
        note=TRIAL_NOTE,
    )
    return replace(row, other=OTHER, other_value=other, ratio=(other / ours,) * 3)


def of_worker_memory(task: SearchTask) -> Row:
    """Return the row of what a trial adds to an idle worker."""
    progress("memory of workers")
    with our_store(task) as store:
        found = {name: size / 1e6 for name, size in worker_memory(store).items()}
    return at_most(
        round(found["model_and_optimiser"] + GOAL_EXTRA_MB),
        group=GROUP,
        what="extra private memory of a worker at work",
        ours=OURS,
        unit="MB",
        values=np.array([found["extra"]]),
        note=(
            f"over a worker that has loaded torch and Ray and waits; goal: {found['model_and_optimiser']:.0f} MB of "
            f"model and optimiser + {GOAL_EXTRA_MB:.0f} MB; {found['of_compiler']:.0f} MB are torch's compiler, which "
            "it loads with the first optimiser"
        ),
    )


def progress(text: str) -> None:
    """Say where the run is."""
    print(f"  {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure, and print one line of the table a row and then the rows in full."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--trials", type=int, default=N_TRIALS)
    parser.add_argument("--updates", type=int, default=MAX_UPDATES)
    asked = parser.parse_args()
    for row in rows(asked.rounds, n_trials=asked.trials, max_updates=asked.updates):
        print(" | ".join(filter(None, cells_of(Repeated(runs=(row,))))), flush=True)
        print(json.dumps({"note": row.note, "rounds": row.rounds}), file=sys.stderr)


if __name__ == "__main__":
    main()
