"""The one table of a run: on a terminal or in a log, as Markdown, and as JSON."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.side_by_side import Row

WIDTH = 140
COLUMNS = ("group", "what", "ours", "other side", "ratio (25-75 %)", "goal", "reached", "load")
EACH_RUN = "each run"
REACHED = {True: "yes", False: "no", None: "open"}


@dataclass(frozen=True, kw_only=True)
class Repeated:
    """One line of the table with what each run of it found."""

    runs: tuple[Row, ...]

    @property
    def shown(self) -> Row:
        """The run in the middle, by what its goal is about; the worse of two."""
        return sorted(self.runs, key=goodness)[(len(self.runs) - 1) // 2]


def goodness(row: Row) -> float:
    """Return what is better where it is more: the ratio, or the value turned round where nothing is compared."""
    return -row.our_value if math.isnan(row.ratio[1]) else row.ratio[1]


def by_line(runs: Sequence[Sequence[Row]]) -> list[Repeated]:
    """Return the lines of runs of the same groups, in the order in which they were first measured."""
    lines: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in (row for run in runs for row in run):
        lines.setdefault((row.group, row.what, row.ours, row.other), []).append(row)
    return [Repeated(runs=tuple(rows)) for rows in lines.values()]


def number(value: float) -> str:
    """Return a value with three digits: "0.28", "6.31", "31.4", "1,204"; "" for NaN."""
    if math.isnan(value):
        return ""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def side(name: str, value: float, unit: str) -> str:
    """Return "cell store: 6.31 ms a minibatch", or the name alone where nothing was measured."""
    return name if math.isnan(value) else f"{name}: {number(value)} {unit}"


def summary(row: Row) -> str:
    """Return what a row found in a few characters: its ratio, or its value where nothing is compared."""
    low, middle, high = row.ratio
    if math.isnan(middle):
        return number(row.our_value)
    return f"{number(middle)} ({number(low)}-{number(high)})"


def cells_of(line: Repeated) -> list[str]:
    """Return the text of each column, that of each run last if there are several."""
    row = line.shown
    ratio = "" if math.isnan(row.ratio[1]) else summary(row)
    texts = [
        row.group,
        row.what,
        side(row.ours, row.our_value, row.unit),
        side(row.other, row.other_value, row.unit),
        ratio,
        row.goal,
        REACHED[row.met] if row.goal else "",
        f"{row.load:.1f}",
    ]
    return [*texts, *(["; ".join(summary(run) for run in line.runs)] if has_runs([line]) else [])]


def has_runs(lines: Sequence[Repeated]) -> bool:
    """Say whether something was measured more than once."""
    return any(len(line.runs) > 1 for line in lines)


def columns_of(lines: Sequence[Repeated]) -> list[str]:
    """Return the heads of the columns."""
    return [*COLUMNS, *([EACH_RUN] if has_runs(lines) else [])]


def notes_of(lines: Sequence[Repeated]) -> list[str]:
    """Return what has to be known to read the table: rounds, then each note with the sides it is about."""
    counts = sorted({(line.shown.group, line.shown.rounds) for line in lines})
    rounds = ", ".join(f"{group} {n}" for group, n in counts)
    sides: dict[str, list[str]] = {}
    for row in (line.shown for line in lines if line.shown.note):
        sides.setdefault(row.note, []).append(row.other or row.what)
    notes = [f"{'; '.join(dict.fromkeys(names))}: {note}" for note, names in sides.items()]
    return [f"values are medians over rounds taken in turn ({rounds})", *notes]


def as_text(header: dict[str, str], lines: Sequence[Repeated]) -> str:
    """Return header, table and notes as plain text of at most 140 columns."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in columns_of(lines):
        table.add_column(head)
    for line in lines:
        table.add_row(*cells_of(line))
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None, highlight=False)
    for key, text in header.items():
        console.print(f"{key}: {text}", markup=False)
    console.print(table)
    for note in notes_of(lines):
        console.print(f"- {note}", markup=False)
    written = console.file
    assert isinstance(written, io.StringIO)
    return "\n".join(text.rstrip() for text in written.getvalue().splitlines()) + "\n"


def as_markdown(header: dict[str, str], lines: Sequence[Repeated]) -> str:
    """Return header, table and notes as Markdown."""
    heads = columns_of(lines)
    table = [heads, ["---"] * len(heads), *(cells_of(line) for line in lines)]
    parts = (
        [f"- {key}: {text}" for key, text in header.items()],
        ["| " + " | ".join(texts) + " |" for texts in table],
        [f"- {note}" for note in notes_of(lines)],
    )
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def as_json(header: dict[str, str], runs: Sequence[Sequence[Row]]) -> str:
    """Return header and all rows of all runs; what was not measured is null."""
    rows = [asdict(row) | {"run": n} for n, run in enumerate(runs, start=1) for row in run]
    return json.dumps({"header": header, "rows": without_nan(rows)}, indent=1, ensure_ascii=False)


def without_nan(value: Any) -> Any:
    """Return the same lists and mappings with None for every NaN."""
    if isinstance(value, dict):
        return {key: without_nan(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(v) for v in value]
    return None if isinstance(value, float) and math.isnan(value) else value
