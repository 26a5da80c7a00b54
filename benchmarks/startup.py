"""How long the command line takes to answer: a process from start to end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.side_by_side import Row, at_most, seconds_of

GOAL_SECONDS = 0.4
PROGRAM = Path(sys.executable).with_name("sslbench")


def ask_for_help() -> None:
    """Run `sslbench --help` and wait for its end."""
    subprocess.run([PROGRAM, "--help"], stdout=subprocess.DEVNULL, check=True)


def rows(rounds: int) -> Iterator[Row]:
    """Yield the row of `sslbench --help`."""
    seconds = seconds_of({"help": ask_for_help}, rounds=rounds)["help"]
    yield at_most(
        GOAL_SECONDS,
        group="startup",
        what="command line answers",
        ours="sslbench --help, a process",
        unit="s",
        values=seconds,
    )
