"""What each row stands on, and the rows that stand on something else by now."""

from __future__ import annotations

import html
from collections.abc import Iterator

from sslbench.discretion import without_home
from sslbench.leaderboard.freshness import stale_line
from sslbench.leaderboard.report.material import Material

_WORDS = {
    "data_fingerprint": "data",
    "code_version": "sslbench",
    "commit": "commit",
    "dirty": "uncommitted changes",
    "metric_versions": "tasks",
}


def stale_section(material: Material) -> str:
    """Return the stale rows with reason and remedy, or nothing where there is none."""
    if not material.board.stale:
        return ""
    lines = (without_home(stale_line(row, digits=3)) for row in material.board.stale)
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return (
        '<section><h2>Stale rows</h2><p class="read"><b>How to read:</b> these trials ran on another version of the '
        "data, or were scored by another version of a task, than is present now. They are not ranked, not compared "
        f'and not drawn.</p><ul class="notes">{items}</ul></section>'
    )


def made_with_facts(material: Material) -> Iterator[tuple[str, str]]:
    """Yield, for every row, the ids of its data, recipe, code and versions of tasks."""
    for row in material.board.rows:
        known = [f"{_WORDS[key]} {value}" for key, value in row.made_with.items() if value]
        yield f"row {row.arm}", " · ".join([f"recipe {row.recipe}", *known])
