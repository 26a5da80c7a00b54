"""The leaderboard and the paired differences: the first two things on the page."""

from __future__ import annotations

import html

from sslbench.leaderboard.board import Row
from sslbench.leaderboard.report.material import Material
from sslbench.leaderboard.report.svg import Scale
from sslbench.leaderboard.report.whiskers import interval_track, shared_scale, tick_track
from sslbench.leaderboard.table import difference_text, protocol_cells, score_text, trials_text


def leaderboard_section(material: Material) -> str:
    """Return the table with interval whiskers, how to read it, and what limits it."""
    board = material.board
    if not board.rows:
        return (
            f"<section><h2>Leaderboard</h2><p>No arm has a score.</p>{_remarks(material)}</section>"
        )
    scale = shared_scale([row.test for row in board.rows])
    rows = "".join(_row(material, row, scale=scale) for row in board.rows)
    head = "".join(
        f"<th{' class=n' if numeric else ''}>{html.escape(title)}</th>"
        for title, numeric in _headings(material)
    )
    n_after = 4 + len(board.protocols)
    axis = f'<tr class="axis"><td colspan="3"></td><td class="plot">{tick_track(scale)}</td><td colspan="{n_after + 1}"></td></tr>'
    return (
        f"<section><h2>Leaderboard</h2>{_how_to_read(material)}"
        f'<div class="scroll"><table class="board"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}{axis}</tbody></table></div>{_remarks(material)}</section>"
    )


def differences_section(material: Material) -> str:
    """Return the paired differences of rivals to the reference, or nothing where there is none to show."""
    # Controls are far below everyone: on their scale no other difference could be read.
    rivals = [row for row in material.board.rows if not row.is_control]
    compared = [row for row in rivals if row.difference is not None]
    if not compared:
        return ""
    scale = shared_scale([r.difference for r in compared if r.difference], also=[0.0])
    rows = "".join(_difference_row(material, row, scale=scale) for row in compared)
    board, reference = material.board, html.escape(material.board.reference or "")
    return (
        f"<section><h2>Difference to the best {board.baseline} arm</h2>"
        f'<p class="read"><b>How to read:</b> test {html.escape(board.metric.words)} minus that of <b>{reference}</b>, '
        f"the {board.baseline} arm that is best by validation, on the same {board.unit}. "
        "Right of the dark line: better. A bar that touches the line: not separable.</p>"
        f'<div class="forest">{rows}<div class="axis"><span class="name"></span>{tick_track(scale)}'
        '<span class="value"></span></div></div></section>'
    )


def _headings(material: Material) -> list[tuple[str, bool]]:
    protocols = [(name, True) for name in material.board.protocols]
    return [
        ("rank", True),
        ("method", False),
        ("protocol", False),
        (f"test {material.board.metric.words}, 95 % interval", False),
        (f"vs best {material.board.baseline}", False),
        *protocols,
        ("seeds", True),
        ("trials", True),
        ("seconds", True),
    ]


def _row(material: Material, row: Row, *, scale: Scale) -> str:
    score, colour = score_text(row.test, digits=3), material.colour(row.arm)
    track = interval_track(row.test, scale=scale, colour=colour, tip=f"{row.method}: {score}")
    protocols = "".join(
        f'<td class="n{" best" if name == row.protocol else ""}" data-label="{html.escape(name)}">{cell}</td>'
        for name, cell in zip(
            material.board.protocols, protocol_cells(material.board, row, digits=3), strict=True
        )
    )
    return (
        f'<tr{" class=control" if row.is_control else ""}><td class="n rank">{row.rank}</td>'
        f'<td class="method"><b>{html.escape(row.method)}</b><span>{html.escape(row.kind)}</span></td>'
        f'<td data-label="protocol">{html.escape(row.protocol)}</td>'
        f'<td class="plot">{track}<span class="dim">{score}</span></td>'
        f'<td class="wide" data-label="vs best {material.board.baseline}">{difference_text(row, digits=3)}</td>'
        f'{protocols}<td class="n" data-label="seeds">{len(row.seeds)}</td>'
        f'<td class="n" data-label="trials">{trials_text(row.effort)}</td>'
        f'<td class="n" data-label="seconds">{row.effort.seconds:,.0f}</td></tr>'
    )


def _difference_row(material: Material, row: Row, *, scale: Scale) -> str:
    assert row.difference is not None
    value, colour = difference_text(row, digits=3), material.colour(row.arm)
    tie = ' <span class="dim">tie</span>' if row.difference.spans_zero else ""
    tip = f"{row.method}: {value}"
    track = interval_track(row.difference, scale=scale, colour=colour, tip=tip)
    return (
        f'<div><span class="name">{html.escape(row.method)}{tie}</span>{track}'
        f'<span class="value">{value}</span></div>'
    )


def _how_to_read(material: Material) -> str:
    stamp = html.escape(material.board.stamp)
    controls = "Controls show the scale and are no rivals. " if material.facts.controls else ""
    return (
        '<p class="read"><b>How to read:</b> dot = mean over fresh seeds on test cells, bar = 95 % interval. '
        "Each method is scored by the protocol that was best on validation (bold in the protocol columns, which "
        "compare all methods by the same one; – = it has no such protocol). Equal ranks: not separable from the "
        f"first of that rank. {controls}{stamp[:1].upper()}{stamp[1:]}.</p>"
    )


def _remarks(material: Material) -> str:
    board = material.board
    holes = [f"hole — {hole}" for hole in board.holes]
    items = "".join(f"<li>{html.escape(line)}</li>" for line in (*board.notes, *holes))
    return f'<ul class="notes">{items}</ul>' if items else ""
