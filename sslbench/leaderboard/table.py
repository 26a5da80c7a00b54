"""The leaderboard as columns and rows of text, for the terminal and for markdown; drawing is the caller's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sslbench.leaderboard.board import (
    ArmAtShare,
    ExternalRow,
    LabelCurve,
    Leaderboard,
    Row,
    SearchEffort,
)
from sslbench.leaderboard.intervals import Estimate

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
        Column(title=f"test {board.metric.words} (95 % CI)"),
        Column(title=f"vs best {board.baseline}"),
        Column(title="seeds", align="right"),
        Column(title="trials", align="right"),
        Column(title="seconds", align="right"),
    )
    ranked = [_main_cells(row, digits=digits) for row in board.rows]
    beside = [_external_cells(row, digits=digits) for row in board.external]
    return Table(columns=columns, rows=(*ranked, *beside))


def protocol_table(board: Leaderboard, *, digits: int) -> Table:
    """Return the mean test score of every row under each protocol; a star marks the one that ranks the row."""
    columns = [Column(title=name, align="right") for name in board.protocols]
    shown: tuple[Row | ExternalRow, ...] = (*board.rows, *board.external)
    rows = [(row.method, *protocol_cells(board, row, digits=digits)) for row in shown]
    return Table(columns=(Column(title="method"), *columns), rows=tuple(rows))


def protocol_cells(board: Leaderboard, row: Row | ExternalRow, *, digits: int) -> tuple[str, ...]:
    """Return the row's mean test score under each of the leaderboard's protocols."""
    return tuple(_protocol_cell(row, name, digits=digits) for name in board.protocols)


def label_table(curve: LabelCurve, *, digits: int) -> Table:
    """Return, for each share of the labels, the best SSL arm, the best supervised arm and the gain."""
    columns = (
        Column(title="labels", align="right"),
        Column(title="cells", align="right"),
        Column(title="best SSL"),
        Column(title="best supervised"),
        Column(title="gain (95 % CI)"),
    )
    rows = tuple(
        (
            f"{100 * point.fraction:g} %",
            ABSENT if point.n_labels is None else f"{point.n_labels:,}",
            _at_share(point.arm(point.ssl), digits=digits),
            _at_share(point.arm(point.supervised), digits=digits),
            gain_text(point.gain, digits=digits),
        )
        for point in curve.points
    )
    return Table(columns=columns, rows=rows)


def _at_share(at: ArmAtShare | None, *, digits: int) -> str:
    if at is None:
        return ABSENT
    return f"{_plain(at.test.mean, digits=digits)} {at.arm} ({at.protocol})"


def _protocol_cell(row: Row | ExternalRow, protocol: str, *, digits: int) -> str:
    score = row.test_by_protocol.get(protocol)
    if score is None:
        return ABSENT
    return f"{_plain(score, digits=digits)}{CHOSEN if protocol == row.protocol else ''}"


def score_text(test: Estimate, *, digits: int) -> str:
    """Return e.g. `0.80 (0.76–0.84)`, or `0.80 (no interval)`."""
    mean, low, high = (_plain(v, digits=digits) for v in (test.mean, test.low, test.high))
    if not test.is_known:
        return f"{mean} (no interval)"
    return f"{mean} ({low} to {high})" if test.low < 0 else f"{mean} ({low}–{high})"


def difference_text(row: Row, *, digits: int) -> str:
    """Return e.g. `+0.02 (−0.01, +0.05)`, `reference`, or a dash where there is no reference."""
    if row.is_reference:
        return "reference"
    if row.difference is None:
        return ABSENT
    return gain_text(row.difference, digits=digits)


def gain_text(difference: Estimate | None, *, digits: int) -> str:
    """Return e.g. `+0.02 (−0.01, +0.05)`, or a dash for none."""
    if difference is None:
        return ABSENT
    mean = _signed(difference.mean, digits=digits)
    if not difference.is_known:
        return f"{mean} (no interval)"
    bounds = (_signed(bound, digits=digits) for bound in (difference.low, difference.high))
    return f"{mean} ({', '.join(bounds)})"


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


def _external_cells(row: ExternalRow, *, digits: int) -> tuple[str, ...]:
    return (
        ABSENT,
        row.method,
        "external",
        row.protocol,
        score_text(row.test, digits=digits),
        gain_text(row.difference, digits=digits),
        ABSENT,
        ABSENT,
        ABSENT,
    )


def _signed(value: float, *, digits: int) -> str:
    rounded = round(value, digits)
    if rounded == 0:
        return f"{0.0:.{digits}f}"
    return f"{'+' if rounded > 0 else '−'}{abs(rounded):.{digits}f}"


def _plain(value: float, *, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "−")
