"""The leaderboard in lines of a terminal: what it needs to be judged by, in tables that are no wider than a line."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace

from sslbench.leaderboard.board import LabelCurve, Leaderboard
from sslbench.leaderboard.table import (
    TUNING_TITLE,
    Column,
    Table,
    label_table,
    main_table,
    protocol_table,
)

NAMED = ("method", "best SSL", "best supervised")  # columns whose cells hold names, and may be cut
_FEWEST = 12  # characters of a name that are left
_COST = (TUNING_TITLE, "trials", "seconds")  # seeds and protocol are the report's


def terminal_tables(board: Leaderboard, *, digits: int, width: int) -> list[Table]:
    """Return results, then what they cost and the scores by protocol; as many tables as it takes.

    Each has its cells in one line of `width` characters, columns a space apart, if names can be cut that far and
    stay different; the names of rows are cut alike in all of them.
    """
    whole = main_table(board, digits=digits)
    titles = [column.title for column in whole.columns]
    score, difference, p = titles[4:7]
    results, regime = _picked(whole, ["#", "method", "regime", score, difference, p]), []
    if _room(results, "method", width=width) < _FEWEST:
        results, regime = _picked(whole, ["#", "method", score, difference, p]), ["regime"]
    cost = _picked(whole, ["method", *regime, *_COST])
    tables = [results, *_beside(cost, protocol_table(board, digits=digits), width=width)]
    least = min(_room(table, "method", width=width) for table in tables)
    names = _cut([row[titles.index("method")] for row in whole.rows], least)
    return [_wrapped(_with_cells(table, "method", names), width=width) for table in tables]


def label_lines(curve: LabelCurve, *, digits: int, width: int) -> Table:
    """Return the table of the label curve with its two columns of names cut to what a line has for them."""
    table = label_table(curve, digits=digits)
    first, second = (table.columns.index(c) for c in table.columns if c.title in NAMED)
    rest = width - sum(w + 1 for i, w in enumerate(_widths(table)) if i not in (first, second))
    room = max(_FEWEST, (rest - 1) // 2)
    for at in (first, second):
        cells = _cut([row[at] for row in table.rows], room)
        table = _with_cells(table, table.columns[at].title, cells)
    return _wrapped(table, width=width)


def _picked(table: Table, titles: Sequence[str]) -> Table:
    at = [[column.title for column in table.columns].index(title) for title in titles]
    rows = tuple(tuple(row[i] for i in at) for row in table.rows)
    return Table(columns=tuple(table.columns[i] for i in at), rows=rows)


def _beside(table: Table, protocols: Table, *, width: int) -> Iterator[Table]:
    """Yield the table with as many columns of protocols beside it as fit, then the others beside the names."""
    first = _picked(table, ["method"])
    for i, column in enumerate(protocols.columns[1:], start=1):
        more = _joined(table, column, [row[i] for row in protocols.rows])
        if _room(more, "method", width=width) < min(_widths(first)[0], 2 * _FEWEST):
            yield table
            more = _joined(first, column, [row[i] for row in protocols.rows])
        table = more
    yield table


def _joined(table: Table, column: Column, cells: Sequence[str]) -> Table:
    rows = tuple((*row, cell) for row, cell in zip(table.rows, cells, strict=True))
    return Table(columns=(*table.columns, column), rows=rows)


def _with_cells(table: Table, title: str, cells: Sequence[str]) -> Table:
    at = [column.title for column in table.columns].index(title)
    rows = tuple(
        (*row[:at], cell, *row[at + 1 :]) for row, cell in zip(table.rows, cells, strict=True)
    )
    return Table(columns=table.columns, rows=rows)


def _widths(table: Table) -> list[int]:
    """Return how wide each column must be: its longest cell, or the longest word of its title."""
    return [
        max([*map(len, column.title.split()), *(len(row[i]) for row in table.rows)], default=0)
        for i, column in enumerate(table.columns)
    ]


def _room(table: Table, title: str, *, width: int) -> int:
    """Return the characters that a line leaves for the column of this title."""
    others = [w + 1 for w, c in zip(_widths(table), table.columns, strict=True) if c.title != title]
    return width - sum(others)


def _wrapped(table: Table, *, width: int) -> Table:
    """Return the table with titles in one line as long as `width` allows, else broken between their words."""
    columns, spare = [], width + 1 - sum(w + 1 for w in _widths(table))
    for column, needed in zip(table.columns, _widths(table), strict=True):
        more = max(0, len(column.title) - needed)
        lines = [column.title] if more <= spare else textwrap.wrap(column.title, needed)
        spare -= more if len(lines) == 1 else 0
        columns.append(replace(column, title="\n".join(lines)))
    return Table(columns=tuple(columns), rows=table.rows)


def _cut(names: Sequence[str], width: int) -> list[str]:
    """Return names of at most `width` characters, without what is left out in their middle; different ones stay so.

    If no cut keeps them apart they are returned whole: a folded name can be read, one that stands for two cannot.
    """
    width = max(width, _FEWEST)
    for share in (0.5, 0.7, 0.3, 0.9, 0.1):
        head = round(share * (width - 1))
        cut = [_without_middle(name, head=head, tail=width - 1 - head) for name in names]
        if len(set(cut)) == len(set(names)):
            return cut
    return list(names)


def _without_middle(name: str, *, head: int, tail: int) -> str:
    if len(name) <= head + 1 + tail:
        return name
    return f"{name[:head]}…{name[len(name) - tail :]}"
