"""The leaderboard as columns and rows of text, for terminal, page, markdown and LaTeX; drawing is the caller's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sslbench.leaderboard.board import (
    ArmAtShare,
    ExternalRow,
    JudgedPart,
    LabelCurve,
    Leaderboard,
    Row,
    SearchEffort,
)
from sslbench.leaderboard.intervals import Estimate
from sslbench.leaderboard.significance import p_words

P_TITLE = "p (Holm)"
TUNING_TITLE = "default → tuned"
HOW_TO_READ = "rank (places in 95 % of resamples); p (Holm): of the difference; default → tuned: on validation, partly luck"
CHOSEN = "*"  # the protocol that validation chose
ABSENT = "–"  # the arm has no such protocol


@dataclass(frozen=True, kw_only=True)
class Column:
    """A heading and how the cells below it align."""

    title: str
    align: Literal["left", "right"] = "left"
    key: str = ""  # what the column is of, for who draws it otherwise than as text


@dataclass(frozen=True, kw_only=True)
class Table:
    """Headings and rows of plain text; nothing in them is markup."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


def main_table(board: Leaderboard, *, digits: int) -> Table:
    """Return everything that ranks a row and what it cost: a line of the report."""
    columns = (
        Column(title="#", align="right", key="rank"),
        Column(title="method", key="method"),
        Column(title="regime", key="regime"),
        Column(title="protocol", key="protocol"),
        Column(title=f"test {board.metric.words} (95 % CI)", key="test"),
        Column(title=f"vs best {board.baseline}", key="difference"),
        Column(title=P_TITLE, align="right", key="p_holm"),
        Column(title=TUNING_TITLE, key="objective_tuned"),
        Column(title="seeds", align="right", key="seeds"),
        Column(title="trials", align="right", key="trials"),
        Column(title="seconds", align="right", key="seconds"),
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


def part_text(part: JudgedPart, *, digits: int) -> str:
    """Return e.g. `mae by knn − byol by knn = +0.02 (−0.01, +0.05): undecided`, or why it was not judged."""
    pair = f"{part.better} − {part.than}"
    if part.difference is None:
        return f"{pair}: {part.outcome} ({part.why})"
    return f"{pair} = {gain_text(part.difference, digits=digits)}: {part.outcome}"


def rank_text(row: Row) -> str:
    """Return the rank and the places that the row takes over resamples, e.g. `1 (1–3)`."""
    if row.rank_interval is None:
        return str(row.rank)
    low, high = row.rank_interval
    return f"{row.rank} ({low}–{high})"


def tuning_text(row: Row, *, digits: int) -> str:
    """Return what the default recipe scored on validation and what the chosen one did, e.g. `0.71 → 0.75`."""
    scores = (row.default, row.tuned)
    return " → ".join(ABSENT if v is None else _plain(v, digits=digits) for v in scores)


def seconds_text(effort: SearchEffort) -> str:
    """Return the wall time of the search, e.g. `1,234` or `3.8`."""
    return f"{effort.seconds:,.{0 if effort.seconds >= 10 else 1}f}"


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
        rank_text(row),
        row.method,
        row.kind,
        row.protocol,
        score_text(row.test, digits=digits),
        difference_text(row, digits=digits),
        p_words(row.p_holm),
        tuning_text(row, digits=digits),
        str(len(row.seeds)),
        trials_text(row.effort),
        seconds_text(row.effort),
    )


def _external_cells(row: ExternalRow, *, digits: int) -> tuple[str, ...]:
    return (
        ABSENT,
        row.method,
        "external",
        row.protocol,
        score_text(row.test, digits=digits),
        gain_text(row.difference, digits=digits),
        *(ABSENT for _ in ("p", "tuning", "seeds", "trials", "seconds")),
    )


def _signed(value: float, *, digits: int) -> str:
    rounded = round(value, digits)
    if rounded == 0:
        return f"{0.0:.{digits}f}"
    return f"{'+' if rounded > 0 else '−'}{abs(rounded):.{digits}f}"


def _plain(value: float, *, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "−")
