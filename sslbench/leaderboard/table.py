"""The leaderboard as columns and rows of text, for the terminal and for markdown; drawing is the caller's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sslbench.leaderboard.board import Leaderboard, Row, SearchEffort
from sslbench.leaderboard.statistics import Estimate

CHOSEN = "*"  # the protocol that validation chose
ABSENT = "–"  # the arm has no such protocol


@dataclass(frozen=True, kw_only=True)
class Column:
    """A heading and how the cells below it align."""

    title: str
    align: Literal["left", "right"] = "left"


@dataclass(frozen=True, kw_only=True)
class Table:
    """Headings and rows of plain text; nothing in them is markup."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


def main_table(board: Leaderboard, *, digits: int) -> Table:
    """Return rank, method, regime, protocol, score, difference, seeds, trials and seconds of every row."""
    columns = (
        Column(title="#", align="right"),
        Column(title="method"),
        Column(title="regime"),
        Column(title="protocol"),
        Column(title="test macro F1 (95 % CI)"),
        Column(title="vs best supervised"),
        Column(title="seeds", align="right"),
        Column(title="trials", align="right"),
        Column(title="seconds", align="right"),
    )
    return Table(columns=columns, rows=tuple(_main_cells(row, digits=digits) for row in board.rows))


def protocol_table(board: Leaderboard, *, digits: int) -> Table:
    """Return the mean test macro F1 of every row under each protocol; a star marks the one that ranks the row."""
    columns = [Column(title=name, align="right") for name in board.protocols]
    rows = [(row.method, *protocol_cells(board, row, digits=digits)) for row in board.rows]
    return Table(columns=(Column(title="method"), *columns), rows=tuple(rows))


def protocol_cells(board: Leaderboard, row: Row, *, digits: int) -> tuple[str, ...]:
    """Return the row's mean test macro F1 under each of the leaderboard's protocols."""
    return tuple(_protocol_cell(row, name, digits=digits) for name in board.protocols)


def _protocol_cell(row: Row, protocol: str, *, digits: int) -> str:
    score = row.test_by_protocol.get(protocol)
    if score is None:
        return ABSENT
    return f"{score:.{digits}f}{CHOSEN if protocol == row.protocol else ''}"


def score_text(test: Estimate, *, digits: int) -> str:
    """Return e.g. `0.80 (0.76–0.84)`."""
    return f"{test.mean:.{digits}f} ({test.low:.{digits}f}–{test.high:.{digits}f})"


def difference_text(row: Row, *, digits: int) -> str:
    """Return e.g. `+0.02 (−0.01, +0.05)`, `reference`, or a dash where there is no reference."""
    if row.is_reference:
        return "reference"
    if row.difference is None:
        return ABSENT
    parts = (row.difference.mean, row.difference.low, row.difference.high)
    mean, low, high = (_signed(part, digits=digits) for part in parts)
    return f"{mean} ({low}, {high})"


def trials_text(effort: SearchEffort) -> str:
    """Return the number of search trials and what a reader must know of it: `4 (all)`, `16 (2 collapsed)`."""
    remarks = []
    if effort.exhausted and not effort.short_of_plan:
        remarks.append("all")
    if effort.short_of_plan:
        remarks.append(f"of {effort.n_planned}!")
    if effort.n_collapsed:
        remarks.append(f"{effort.n_collapsed} collapsed")
    if effort.n_failed:
        remarks.append(f"{effort.n_failed} failed")
    return f"{effort.n_trials} ({', '.join(remarks)})" if remarks else str(effort.n_trials)


def _main_cells(row: Row, *, digits: int) -> tuple[str, ...]:
    return (
        str(row.rank),
        row.method,
        row.regime,
        row.protocol,
        score_text(row.test, digits=digits),
        difference_text(row, digits=digits),
        str(len(row.seeds)),
        trials_text(row.effort),
        f"{row.effort.seconds:,.{0 if row.effort.seconds >= 10 else 1}f}",
    )


def _signed(value: float, *, digits: int) -> str:
    rounded = round(value, digits)
    if rounded == 0:
        return f"{0.0:.{digits}f}"
    return f"{'+' if rounded > 0 else '−'}{abs(rounded):.{digits}f}"
