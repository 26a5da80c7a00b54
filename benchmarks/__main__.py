"""Measure this project beside what people use instead, group after group, and print one table.

    python -m benchmarks [GROUP ...] [--rounds 15] [--repeat 1] [--out benchmarks/results]

A group is a module of this package with `rows(rounds)`, which yields its rows as they are measured.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from datetime import date
from importlib import import_module
from pathlib import Path

from benchmarks.machine import device_slug, header
from benchmarks.side_by_side import ROUNDS, Row
from benchmarks.table import Repeated, as_json, as_markdown, as_text, by_line, cells_of

GROUPS = ("startup", "loaders", "steps", "noise", "sweep", "scale", "gpu")
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure the groups that are asked for; results are saved after each, the table comes last."""
    asked = arguments(sys.argv[1:])
    groups = tuple(group for group in GROUPS if group in asked.groups) or GROUPS
    name = "-".join([date.today().isoformat(), device_slug(), *(groups if asked.groups else ())])
    asked.out.mkdir(parents=True, exist_ok=True)
    progress("versions and ceilings of this machine")
    head = header()
    runs: list[list[Row]] = []
    for number in range(1, asked.repeat + 1):
        runs.append([])
        for group in groups:
            progress(f"run {number} of {asked.repeat}: {group}")
            for row in rows_of(group, asked.rounds):
                runs[-1].append(row)
                progress("  " + " | ".join(filter(None, cells_of(Repeated(runs=(row,))))))
            save(asked.out / name, head, runs)
    print(as_text(head, by_line(runs)))


def arguments(words: list[str]) -> argparse.Namespace:
    """Return what the words of a command line ask for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.split("\n")[0]
    )
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"{', '.join(GROUPS)}; or all")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help="fewer where one round takes minutes"
    )
    parser.add_argument("--repeat", type=int, default=1, help="runs of all groups, one by one")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    asked = parser.parse_args(words)
    if unknown := sorted(set(asked.groups) - set(GROUPS)):
        parser.error(f"GROUP must be one of {', '.join(GROUPS)}, got {unknown[0]}")
    if min(asked.rounds, asked.repeat) < 1:
        parser.error(f"at least 1 round and 1 run, got {asked.rounds} and {asked.repeat}")
    return asked


def rows_of(group: str, rounds: int) -> Iterator[Row]:
    """Yield the rows of a group; its module is imported only now, with all that it needs."""
    yield from import_module(f"benchmarks.{group}").rows(rounds)


def save(path: Path, head: dict[str, str], runs: list[list[Row]]) -> None:
    """Write what is measured so far beside each other as `path`.json and `path`.md."""
    path.with_suffix(".json").write_text(as_json(head, runs) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(as_markdown(head, by_line(runs)), encoding="utf-8")


def progress(text: str) -> None:
    """Say where the run is, beside the table and not in it."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
