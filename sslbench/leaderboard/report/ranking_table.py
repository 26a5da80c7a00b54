"""The leaderboard and the paired differences: the first two things on the page."""

from __future__ import annotations

import html
from collections.abc import Sequence

from sslbench.leaderboard.board import Row
from sslbench.leaderboard.report.material import Material
from sslbench.leaderboard.report.svg import Scale
from sslbench.leaderboard.report.whiskers import (
    below_track,
    interval_track,
    shared_scale,
    tick_track,
)
from sslbench.leaderboard.table import (
    CHOSEN,
    Column,
    difference_text,
    main_table,
    protocol_table,
    score_text,
)


def leaderboard_section(material: Material) -> str:
    """Return the table with interval whiskers, the same by protocol, how to read them, and what limits them."""
    board = material.board
    if not board.rows:
        return (
            f"<section><h2>Leaderboard</h2><p>No arm has a score.</p>{_remarks(material)}</section>"
        )
    return (
        f"<section><h2>Leaderboard</h2>{_how_to_read(material)}{_main(material)}"
        f"{_by_protocol(material)}{_remarks(material)}</section>"
    )


def differences_section(material: Material) -> str:
    """Return the paired differences of rivals to the reference, or nothing where there is none to show."""
    # Controls are far below everyone: on their scale no other difference could be read.
    rivals = [row for row in material.board.rows if not row.is_control]
    compared = [row for row in rivals if row.difference is not None]
    if not compared:
        return ""
    single = [value for row in compared for value in row.difference_by_donor.values()]
    scale = shared_scale([r.difference for r in compared if r.difference], also=[0.0, *single])
    rows = "".join(_difference_row(material, row, scale=scale) for row in compared)
    board, reference = material.board, html.escape(material.board.reference or "")
    of_donors = " Small dots: the difference in each test donor." if single else ""
    return (
        f"<section><h2>Difference to the best {board.baseline} arm</h2>"
        f'<p class="read"><b>How to read:</b> test {html.escape(board.metric.words)} minus that of <b>{reference}</b>, '
        f"the {board.baseline} arm that is best by validation, on the same {board.unit}. "
        f"Right of the dark line: better. A bar that touches the line: not separable.{of_donors}</p>"
        f'<div class="forest">{rows}<div class="axis"><span class="name"></span>{tick_track(scale)}'
        '<span class="value"></span></div></div></section>'
    )


def breakable(name: str) -> str:
    """Return a name as markup that may be broken after a slash, rather than within a word."""
    return html.escape(name).replace("/", "/<wbr>")


def _main(material: Material) -> str:
    board = material.board
    table = main_table(board, digits=3)
    columns = [column for column in table.columns if column.key != "regime"]  # beside the method
    scale = shared_scale([row.test for row in board.on_axis])
    head = "".join(f"<th{_numeric(column)}>{html.escape(column.title)}</th>" for column in columns)
    ranked = table.rows[: len(board.rows)]  # external rows follow, and have their section
    rows = "".join(
        _row(material, row, list(zip(table.columns, cells, strict=True)), scale=scale)
        for row, cells in zip(board.rows, ranked, strict=True)
    )
    axis = "".join(
        f'<td class="plot">{tick_track(scale)}</td>' if column.key == "test" else "<td></td>"
        for column in columns
    )
    return (
        f'<div class="scroll"><table class="board"><thead><tr>{head}</tr></thead>'
        f'<tbody>{rows}<tr class="axis">{axis}</tr></tbody></table></div>'
    )


def _row(material: Material, row: Row, cells: Sequence[tuple[Column, str]], *, scale: Scale) -> str:
    colour, tip = material.colour(row.arm), f"{row.method}: {score_text(row.test, digits=3)}"
    track = (
        interval_track(row.test, scale=scale, colour=colour, tip=tip)
        if row in material.board.on_axis
        else below_track(scale, colour=colour, tip=tip)
    )
    of_key = {column.key: html.escape(cell) for column, cell in cells}
    drawn = {
        "rank": f'<td class="n rank">{of_key["rank"]}</td>',
        "method": f'<td class="method"><b>{of_key["method"]}</b><span>{of_key["regime"]}</span></td>',
        "regime": "",
        "test": f'<td class="plot">{track}<span class="dim">{of_key["test"]}</span></td>',
    }
    css = ' class="control"' if row.is_control else ""
    return f"<tr{css}>{''.join(drawn.get(c.key, _cell(c, cell)) for c, cell in cells)}</tr>"


def _cell(column: Column, cell: str) -> str:
    css = "n" if column.align == "right" else "wide" if column.key == "difference" else ""
    label = html.escape(column.title)
    return f'<td class="{css}" data-label="{label}">{html.escape(cell)}</td>'


def _by_protocol(material: Material) -> str:
    """Return the table of all protocols; nothing where there is only the one that ranks."""
    if len(material.board.protocols) < 2:
        return ""
    table = protocol_table(material.board, digits=3)
    head = "".join(
        f"<th{_numeric(column)}>{html.escape(column.title)}</th>" for column in table.columns
    )
    rows = "".join(
        f'<tr><th scope="row">{breakable(method)}</th>{"".join(_score(cell) for cell in scores)}</tr>'
        for method, *scores in table.rows
    )
    return (
        '<h3>The same, by protocol</h3><div class="scroll"><table class="protocols">'
        f"<thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _score(cell: str) -> str:
    chosen = " best" if cell.endswith(CHOSEN) else ""
    return f'<td class="n{chosen}">{html.escape(cell)}</td>'


def _numeric(column: Column) -> str:
    return ' class="n"' if column.align == "right" else ""


def _difference_row(material: Material, row: Row, *, scale: Scale) -> str:
    assert row.difference is not None
    value, colour = difference_text(row, digits=3), material.colour(row.arm)
    tie = ' <span class="dim">tie</span>' if row.difference.spans_zero else ""
    tip = f"{row.method}: {value}"
    track = interval_track(
        row.difference, scale=scale, colour=colour, tip=tip, single=row.difference_by_donor
    )
    return (
        f'<div><span class="name">{html.escape(row.method)}{tie}</span>{track}'
        f'<span class="value">{value}</span></div>'
    )


def _how_to_read(material: Material) -> str:
    stamp = html.escape(material.board.stamp)
    controls = "Controls show the scale and are no rivals. " if material.facts.controls else ""
    compared = (
        " (bold in the table by protocol, which compares all methods by the same one; – = it has no such protocol)"
        if len(material.board.protocols) > 1
        else ""
    )
    return (
        '<p class="read"><b>How to read:</b> dot = mean over fresh seeds on test cells, bar = 95 % interval. '
        f"Each method is scored by the protocol that was best on validation{compared}. Equal ranks: not separable from the "
        "first of that rank; in brackets the places that it takes in 95 % of resamples. p: of the difference, adjusted "
        "(Holm) for all arms that are compared. default → tuned: what the default recipe of the arm scored on "
        "validation in its search, and what the best of all its trials did, which is partly luck. "
        f"{controls}"
        f"{stamp[:1].upper()}{stamp[1:]}.</p>"
    )


def _remarks(material: Material) -> str:
    board = material.board
    holes = [f"hole — {hole}" for hole in board.holes]
    items = "".join(f"<li>{html.escape(line)}</li>" for line in (*board.notes, *holes))
    return f'<ul class="notes">{items}</ul>' if items else ""
