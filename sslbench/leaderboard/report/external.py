"""Embeddings that were made elsewhere, as a table of their own."""

from __future__ import annotations

import html

from sslbench.leaderboard.report.material import Material
from sslbench.leaderboard.table import gain_text, protocol_cells, score_text


def external_section(material: Material) -> str:
    """Return the external rows with how to read them, or nothing where there is none."""
    board = material.board
    if not board.external:
        return ""
    titles = (
        "embedding",
        "saw these cells",
        "protocol",
        f"test {board.metric.words}, 95 % interval",
    )
    heads = (*titles, f"vs best {board.baseline}", *board.protocols)
    rows = [
        (
            row.method,
            row.saw_dataset,
            row.protocol,
            score_text(row.test, digits=3),
            gain_text(row.difference, digits=3),
            *protocol_cells(board, row, digits=3),
        )
        for row in board.external
    ]
    head = "".join(f"<th>{html.escape(title)}</th>" for title in heads)
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>" for cells in rows
    )
    return (
        '<section><h2>External embeddings</h2><p class="read"><b>How to read:</b> made elsewhere and scored here on '
        "the same cells by the same protocols. They had no search budget here and may have seen these cells before, so "
        "they have no rank, are no reference and decide no verdict. Intervals know no luck of a seed.</p>"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></section>'
    )
