"""What `sslbench leaderboard` takes on a store of 10,000 ended trials: a process from start to end, and its memory.

    python -m benchmarks.leaderboard_10k [--rounds 3] [--keep FOLDER]

Four commands take turns: a bare import of what any reading of the ledger needs, the first leaderboard (no report is
there yet), the same command where all reports are drawn anew, as after an update of this package, and once more where
they are as they were. Their pages of the disk are in memory; each is a fresh process.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.made_up_ledger import MadeUp, write_ledgers
from benchmarks.sweep_commands import PROGRAM, REPOSITORY
from sslbench.cli.insight import KEPT

GOAL_SECONDS, GOAL_MB = 3.0, 500.0
IMPORTS = "import numpy, pandas, pyarrow.parquet, pydantic, rich, typer"


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a process took."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def main() -> None:
    """Make the store, measure, print one line a command."""
    asked = _arguments(sys.argv[1:])
    size = MadeUp()
    kept = nullcontext(asked.keep) if asked.keep else TemporaryDirectory(prefix="sslbench-10k-")
    with kept as place:
        home = Path(place)
        if not (home / "ledger").exists():
            _say(f"making {size.records:,} trials in {home}")
            write_ledgers(home / "ledger", size)
        leaderboard = [str(PROGRAM), "leaderboard", "--home", str(home)]
        taken: dict[str, list[Taken]] = {"import": [], "first": [], "drawn anew": [], "again": []}
        for number in range(1, asked.rounds + 1):
            _say(f"round {number} of {asked.rounds}")
            shutil.rmtree(home / "reports", ignore_errors=True)
            for file in home.glob(f"ledger/*/{KEPT}"):
                file.unlink()
            taken["import"].append(taken_by([sys.executable, "-c", IMPORTS]))
            taken["first"].append(taken_by(leaderboard))
            shutil.rmtree(home / "reports")
            taken["drawn anew"].append(taken_by(leaderboard))
            taken["again"].append(taken_by(leaderboard))
    print(f"{size.records:,} trials, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    for name, of in taken.items():
        print(_line(name, of))


def taken_by(command: Sequence[str]) -> Taken:
    """Run a command to its end and return what it took; what it writes goes nowhere.

    Raises
    ------
    RuntimeError
        If it fails.
    """
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    silent = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, silent, stream) for stream in (0, 1)]
    started = perf_counter()
    child = os.posix_spawn(command[0], command, environment, file_actions=actions)
    _, status, used = os.wait4(child, 0)
    seconds = perf_counter() - started
    os.close(silent)
    if code := os.waitstatus_to_exitcode(status):
        raise RuntimeError(f"{' '.join(command[:3])} … ended with {code}")
    return Taken(
        seconds=seconds, cpu_seconds=used.ru_utime + used.ru_stime, peak_mb=used.ru_maxrss / 1024
    )


def _line(name: str, of: Sequence[Taken]) -> str:
    seconds, peak = median(t.seconds for t in of), median(t.peak_mb for t in of)
    cpu = median(t.cpu_seconds for t in of)
    reached = ""
    if name != "import":
        within = seconds <= GOAL_SECONDS and peak <= GOAL_MB
        reached = (
            f"   goal {GOAL_SECONDS:.0f} s, {GOAL_MB:.0f} MB: {'reached' if within else 'missed'}"
        )
    each = ", ".join(f"{t.seconds:.2f}" for t in of)
    return f"{name:<11} {seconds:6.2f} s ({each})  CPU {cpu:5.2f} s  peak {peak:4.0f} MB{reached}"


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leaderboard_10k")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="make the store here, and leave it")
    return parser.parse_args(words)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
