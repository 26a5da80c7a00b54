"""From ten thousand to a million cells: what preparing, training, a report and embedding take in memory and time.

Every phase runs in a process of its own, on one thread, on synthetic cells of 2,000 genes of which 7 % are counted. It is
first run on two thousand cells, so that loading libraries is not taken for work on cells; below a million cells it is run
three times, of which the middle one counts. All of it takes ten minutes.

    python -m benchmarks.scale [--cells 10000 100000 1000000]
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.side_by_side import Row, at_most
from benchmarks.table import Repeated, cells_of
from sslbench.config import TrialConfig
from sslbench.data.catalogue import spec_of_file

GROUP = "scale"
SIZES = (10_000, 100_000, 1_000_000)
FLAT = 1.25
N_GENES, DEPTH, MINIBATCH = 2_000, 170.0, 256  # a mean depth of 170 counts 7 % of these genes
SMALL = 2_000
LONGEST_SECONDS = 180.0  # of a phase, its warm-up included: longer ones are stopped
PROCESSES = multiprocessing.get_context("spawn")  # a forked process would inherit this one's memory


class Taken(NamedTuple):
    """What a phase took, loading its libraries aside; NaN if it did not end in time."""

    seconds: float
    n_cells: int  # that it worked on
    peak_gb: float  # resident set, with the libraries and the pages of mapped files
    anonymous_gb: float  # at the end, without the pages of files

    @property
    def cost(self) -> float:
        """Microseconds a cell."""
        return 1e6 * self.seconds / self.n_cells


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the cells of one size are, as a file and as a store."""

    folder: Path
    n_cells: int
    file: Path
    model: Path  # embeds cells of every size

    def store(self) -> Path:
        """Return the store, building it if it is not there."""
        from sslbench.data.store import prepare_store

        spec = spec_of_file(self.file, label_key="cell_type", donor_key="donor")
        return prepare_store(spec, n_top_genes=None, root=self.folder / "stores")


Phase = Callable[[Place], tuple[float, int]]  # seconds, and the number of cells worked on


def prepare(place: Place) -> tuple[float, int]:
    """Check, split and store the cells of the file."""
    shutil.rmtree(place.folder / "stores", ignore_errors=True)
    started = time.perf_counter()
    place.store()
    return time.perf_counter() - started, place.n_cells


def train(place: Place) -> tuple[float, int]:
    """Pretrain for one epoch of minibatches from the store on disk."""
    from sslbench.data.store import open_cells
    from sslbench.pretraining import build
    from sslbench.training import fit

    store = place.store()
    started = time.perf_counter()
    cells = open_cells(store, "train")
    updates = len(cells) // MINIBATCH
    config = _config(updates, evaluate_every=updates)
    pretext = build(config, cells, device="cpu")
    pretext.prepare(cells.without_labels())
    fit(pretext, cells, config.training, seed=0, device="cpu", on_report=lambda *_: True)
    return time.perf_counter() - started, updates * MINIBATCH


def report(place: Place) -> tuple[float, int]:
    """Let a trial report twice: from the first to the second is one update and one evaluation."""
    from sslbench.results import CurvePoint
    from sslbench.trial import run_trial

    points: list[CurvePoint] = []

    def on_report(point: CurvePoint) -> None:
        points.append(point)
        if len(points) == 2:
            raise InterruptedError

    with tempfile.TemporaryDirectory() as folder, suppress(InterruptedError):
        run_trial(_config(3), store=place.store(), workdir=Path(folder), report=on_report)
    return points[1].seconds - points[0].seconds, place.n_cells


def embed(place: Place) -> tuple[float, int]:
    """Embed the file as `sslbench embed` does."""
    from sslbench.cli.embed import embed_file

    out = place.folder / "embedded.h5ad"
    started = time.perf_counter()
    embed_file(place.file, model=place.model, out=out, counts=None, device="cpu", force=True)
    return time.perf_counter() - started, place.n_cells


def _config(updates: int, *, evaluate_every: int = 1) -> TrialConfig:
    budget = {"max_updates": updates, "evaluate_every": evaluate_every}
    return TrialConfig.model_validate(
        {
            "dataset": {"name": "synthetic"},
            "pretext": {"name": "masked"},
            "encoder": {"name": "mlp"},
            "evaluation": [{"name": "knn"}],
            "training": budget | {"minibatch_size": MINIBATCH},
        }
    )


def taken(phase: Phase, place: Place, *, after: Place) -> Taken:
    """Run a phase in a process of its own, `after` the same on fewer cells, for at most `LONGEST_SECONDS`."""
    receiver, sender = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=_measure, args=(phase, place, after, sender))
    process.start()
    sender.close()
    in_time = receiver.poll(LONGEST_SECONDS)
    if not in_time:
        process.kill()
    found: Taken = receiver.recv() if in_time else Taken(np.nan, place.n_cells, np.nan, np.nan)
    process.join()
    return found


def _measure(phase: Phase, place: Place, after: Place, sender: Connection) -> None:
    import torch

    torch.set_num_threads(1)
    phase(after)
    repeats = 1 if place.n_cells == SIZES[-1] else 3
    seconds, n_cells = np.median([phase(place) for _ in range(repeats)], axis=0).tolist()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak, anonymous = (float(status[key].split()[0]) / 1e6 for key in ("VmHWM", "RssAnon"))  # kB
    sender.send(Taken(seconds, int(n_cells), peak, anonymous))


PHASES: Mapping[str, Phase] = {
    "prepare a store": prepare,
    "pretrain one epoch, masked, mlp": train,
    "report with knn": report,
    "embed an .h5ad": embed,
}
MOST_GB: Mapping[Phase, float] = {prepare: 6.0, embed: 4.0}  # at the largest size


def rows(rounds: int, *, sizes: Sequence[int] = SIZES) -> Iterator[Row]:
    """Measure every phase at every size, smallest first: one round, whatever is asked, because it takes minutes."""
    del rounds
    before: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        small = written(Path(folder), SMALL)
        keep_model(small)
        for n_cells in sizes:
            place = written(Path(folder), n_cells)
            for name, phase in PHASES.items():
                found = taken(phase, place, after=small)
                what = f"{n_cells:,} cells: {name}"
                yield _memory(what, found, MOST_GB.get(phase) if n_cells == SIZES[-1] else None)
                # A part of the cells is scored once there are more than about 12,000, so a report takes
                # as long as at the size before; everything else takes as long a cell as at the smallest.
                if phase is report:
                    last = before.get(name) if n_cells == SIZES[-1] else None
                    yield from _time(what, "s", found.seconds, last)
                    before[name] = found.seconds
                else:
                    yield from _time(what, "µs a cell", found.cost, before.get(name))
                    before.setdefault(name, found.cost)
            shutil.rmtree(place.folder)


def written(folder: Path, n_cells: int) -> Place:
    """Return the place of so many synthetic cells of ten donors, their file written."""
    from sslbench.data.synthetic import SyntheticDesign, write_synthetic_h5ad

    own = folder / str(n_cells)
    own.mkdir()
    file, model = own / "cells.h5ad", folder / "checkpoint"
    place = Place(folder=own, n_cells=n_cells, file=file, model=model)
    shape = {"n_cells": n_cells, "n_genes": N_GENES, "n_types": 10, "n_donors": 10}
    write_synthetic_h5ad(SyntheticDesign(**shape, depth=DEPTH), place.file)
    return place


def keep_model(place: Place) -> None:
    """Write the model that embeds: what it has learnt does not matter here."""
    from sslbench.trial import run_trial

    store, folder = place.store(), place.model.parent
    run_trial(_config(1), store=store, workdir=folder, report=lambda _: None, score_test=True)


def _memory(what: str, found: Taken, most_gb: float | None) -> Row:
    note = f"at its end {found.anonymous_gb:.2f} GB are not pages of files"
    return _row(what, "peak RSS", unit="GB", value=found.peak_gb, goal=most_gb, note=note)


def _time(what: str, unit: str, value: float, before: float | None) -> Iterator[Row]:
    """Yield the time, and how many times `before` it is."""
    yield _row(what, "time", unit=unit, value=value)
    if before is not None:
        yield _row(what, "growth", unit="times", value=value / before, goal=FLAT)


def _row(
    what: str, ours: str, *, unit: str, value: float, goal: float | None = None, note: str = ""
) -> Row:
    """Return a row of one round; without a goal it is only told, and a goal that was not measured is missed."""
    limit, values = np.inf if goal is None else goal, np.array([value])
    note = f"did not end in {LONGEST_SECONDS:.0f} s" if np.isnan(value) else note
    row = at_most(limit, group=GROUP, what=what, ours=ours, unit=unit, values=values, note=note)
    return replace(row, goal="", met=None) if goal is None else row


def main() -> None:
    """Measure and print one line a row."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cells", type=int, nargs="+", default=SIZES)
    for row in rows(1, sizes=sorted(parser.parse_args().cells)):
        print(" | ".join(filter(None, cells_of(Repeated(runs=(row,))))), flush=True)


if __name__ == "__main__":
    main()
