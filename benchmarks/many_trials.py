"""What a sweep of 1,000 trials costs whose trials do next to nothing, and what it costs to resume it for one more.

    python -m benchmarks.many_trials [--trials 1000] [--keep FOLDER] [--out benchmarks/results]

A trial is one update and one report with kNN; two run at a time. While the sweep runs, its driver's memory and open
files are read from /proc. Then the same command asks for one trial more: how long until that begins, beside the same
command on a ledger without trials, which pays for its imports and for the start of Ray too.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from benchmarks.driver_watch import DriverWatch
from benchmarks.search_task import ARM, SearchTask, sweep_document
from benchmarks.sweep import search_task
from benchmarks.sweep_commands import BATCH_KEY, DONOR_KEY, LABEL_KEY, PROGRAM, run
from sslbench.ledger import Ledger
from sslbench.provenance import provenance
from sslbench.results import TrialRecord

RESULTS = Path(__file__).parent / "results"
LONGEST_SECONDS = 3_600.0  # of one command, on a machine that others use
SETTLED = 200  # trials after which a driver has what it needs
GOAL_SECONDS, GOAL_MB, GOAL_RESUME_SECONDS = 15 * 60.0, 50.0, 10.0


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table."""

    what: str
    found: float
    unit: str
    goal: float | None = None  # at most
    load: float | None = None  # average of one minute when it was found

    def cells(self) -> tuple[str, ...]:
        """Return what stands in the table's columns."""
        found, load = (
            f"{self.found:,.1f} {self.unit}",
            "" if self.load is None else f"{self.load:.1f}",
        )
        if self.goal is None:
            return self.what, found, "", "", load
        reached = "yes" if self.found <= self.goal else "no"
        return self.what, found, f"≤ {self.goal:g} {self.unit}", reached, load


def main() -> None:
    """Measure; print and save one line a figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_trials")
    parser.add_argument("--trials", type=int, default=1_000, help="of the search of one arm")
    parser.add_argument("--keep", type=Path, help="make the tracking folder here, and leave it")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    asked = parser.parse_args()
    kept = nullcontext(asked.keep) if asked.keep else TemporaryDirectory(prefix="sslbench-many-")
    figures: list[Figure] = []
    with kept as place, search_task(asked.trials) as task:
        Path(place).mkdir(parents=True, exist_ok=True)
        for figure in measured(task.empty(n_trials=asked.trials), Path(place)):
            figures.append(figure)
            print(" | ".join(filter(None, figure.cells())), file=sys.stderr, flush=True)
    asked.out.mkdir(parents=True, exist_ok=True)
    save(asked.out / f"{date.today().isoformat()}-many-trials", figures, n_trials=asked.trials)


def measured(task: SearchTask, place: Path) -> Iterator[Figure]:
    """Yield the figures of the whole sweep and of going on with it."""
    found = partial(Figure, unit="s")
    sweep = place / "many.yaml"
    sweep.write_text(yaml.safe_dump(sweep_document(task), sort_keys=False), encoding="utf-8")
    empty, full = Commands(sweep, task, place / "empty"), Commands(sweep, task, place / "full")

    empty.sweep(1)  # prepares the cells
    watch, seconds = full.sweep(task.n_trials)
    trials = full.records()
    yield found(
        what=f"a sweep of {len(trials):,} trials, whole command",
        found=seconds,
        goal=GOAL_SECONDS,
        load=load(),
    )
    ends = sorted(r.ended_unix_ms / 1_000 for r in trials if r.stage == "search" and r.arm == ARM)
    for number in range(0, len(ends) - SETTLED + 1, SETTLED):
        of = ends[number : number + SETTLED]
        each = (of[-1] - of[0]) / (len(of) - 1)
        yield found(what=f"time between ends, trials {number + 1} on", found=each, load=load())
    yield from of_driver(watch, n_trials=task.n_trials)

    before_full = full.seconds_to_next(task.n_trials)
    before_empty = empty.seconds_to_next(1)
    what = "to the first new trial"
    for seconds, cpu_seconds, n_known in (
        (*before_full, f"{len(trials):,}"),
        (*before_empty, "next to none"),
    ):
        yield found(what=f"{what}, {n_known} in the ledger", found=seconds, load=load())
        yield found(what=f"{what}, {n_known} in the ledger, driver's CPU", found=cpu_seconds)
    seconds, cpu_seconds = (a - b for a, b in zip(before_full, before_empty))
    yield found(
        what="the difference: reading and replaying the ledger",
        found=seconds,
        goal=GOAL_RESUME_SECONDS,
        load=load(),
    )
    yield found(what="the difference, driver's CPU", found=cpu_seconds, goal=GOAL_RESUME_SECONDS)


def of_driver(watch: DriverWatch, *, n_trials: int) -> Iterator[Figure]:
    """Yield what the driver held, from the trial at which it has settled to the search's last."""
    settled = [held for held in watch.after(SETTLED) if held.n_trials < n_trials]
    if len(settled) < 2:
        return
    first, last = settled[0], settled[-1]
    yield Figure(
        what=f"driver's memory at trial {first.n_trials}", found=first.resident_mb, unit="MB"
    )
    yield Figure(
        what=f"growth of it by trial {last.n_trials}",
        found=last.resident_mb - first.resident_mb,
        unit="MB",
        goal=GOAL_MB,
    )
    yield Figure(
        what="growth of what is no page of a file",
        found=last.private_mb - first.private_mb,
        unit="MB",
        goal=GOAL_MB,
    )
    cpu = (last.cpu_seconds - first.cpu_seconds) / (last.n_trials - first.n_trials)
    yield Figure(what="driver's CPU a trial, between the two", found=1_000 * cpu, unit="ms")
    files = [held.n_files for held in settled]
    yield Figure(what="open files, fewest", found=min(files), unit="")
    yield Figure(what="open files, most", found=max(files), unit="")


@dataclass(frozen=True)
class Commands:
    """The sweep command on one tracking folder."""

    sweep_file: Path
    task: SearchTask
    home: Path

    def sweep(self, n_trials: int) -> tuple[DriverWatch, float]:
        """Run the sweep to its end with so many trials an arm; return what its driver held, and the seconds."""
        keys = ["--label-key", LABEL_KEY, "--donor-key", DONOR_KEY, "--batch-key", BATCH_KEY]
        words = ["sweep", str(self.sweep_file), "--home", str(self.home), "--data", self.task.file]
        watches: list[DriverWatch] = []

        def watched(pid: int) -> DriverWatch:
            watches.append(DriverWatch(pid, n_trials=self.n_begun))
            return watches[-1]

        started = time.monotonic()
        budget = f"budget.trials={n_trials}"
        command = [str(PROGRAM), *words, *keys, "-o", budget]
        run(command, {}, beside=watched, longest_seconds=LONGEST_SECONDS)
        return watches[-1], time.monotonic() - started

    def seconds_to_next(self, n_trials: int) -> tuple[float, float]:
        """Ask for one trial more than `n_trials`, which are there.

        Returns
        -------
        The seconds until it begins, and those of the processor that the driver has used when it asks for it.
        """
        known, started = {r.uid for r in self.records()}, time.time()
        n_known = self.n_begun()
        watch, _ = self.sweep(n_trials + 1)
        new = [r for r in self.records() if r.uid not in known and r.stage == "search"]
        began = min(r.started_unix_ms for r in new) / 1_000
        return began - started, watch.after(n_known + 1)[0].cpu_seconds

    def records(self) -> list[TrialRecord]:
        """Return the records of all trials that have ended."""
        (ledger,) = (self.home / "ledger").iterdir()
        return list(Ledger(ledger).records().values())

    def n_begun(self) -> int:
        """Return the number of trials that were planned."""
        return sum(len(os.listdir(trials)) for trials in self.home.glob("ledger/*/trials"))


def load() -> float:
    """Return the load average of one minute."""
    return os.getloadavg()[0]


def save(path: Path, figures: list[Figure], *, n_trials: int) -> None:
    """Write the figures as `path`.json and `path`.md, with where they were measured."""
    head = {
        "date": date.today().isoformat(),
        "command": f"python -m benchmarks.many_trials --trials {n_trials}",
        "commit": provenance()["commit"],
        "machine": f"{os.cpu_count()} CPUs; load: average of one minute when a figure was found",
    }
    rows = [asdict(figure) for figure in figures]
    path.with_suffix(".json").write_text(
        json.dumps({"head": head, "figures": rows}, indent=1) + "\n"
    )
    columns = ("what", "found", "goal", "reached", "load")
    lines = [f"- {name}: {value}" for name, value in head.items()]
    lines += ["", f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    lines += [f"| {' | '.join(figure.cells())} |" for figure in figures]
    path.with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
