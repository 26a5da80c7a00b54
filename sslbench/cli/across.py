"""The leaderboard over all sweeps: printed after the single ones, and the page that links to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sslbench.cli import terminal
from sslbench.cli.places import Home
from sslbench.durable import write_atomically

if TYPE_CHECKING:
    from sslbench.leaderboard.across.store import AcrossSweeps

INDEX = "index.html"


def write_index(home: Home, across: AcrossSweeps, reports: Mapping[tuple[str, str], str]) -> Path:
    """Write the page over all sweeps as HTML, CSV and markdown beside the reports it links to; return the page."""
    from sslbench.leaderboard.across.page import render_index
    from sslbench.leaderboard.across.text import render_csv, render_markdown

    page = home.reports / INDEX
    write_atomically(page, render_index(across, reports))
    write_atomically(page.with_suffix(".csv"), render_csv(across))
    write_atomically(page.with_suffix(".md"), render_markdown(across, reports))
    return page


def show_across(across: AcrossSweeps, page: Path) -> None:
    """Print verdicts, ranks, gains, and what limits them."""
    from sslbench.leaderboard.across.table import gains_table, rank_table
    from sslbench.leaderboard.across.text import remarks

    terminal.say("across", ", ".join(across.extent))
    for ranking in across.rankings:
        table = rank_table(ranking)
        terminal.out.print(f"[bold]ranks[/bold]    {ranking.title}")
        terminal.print_table([column.title for column in table.columns], table.rows)
        terminal.out.print()
        for line in remarks(ranking):
            terminal.say("note", line)
    if across.gains:
        table = gains_table(across.gains)
        terminal.print_table([column.title for column in table.columns], table.rows)
        terminal.out.print()
    for line in across.notes:
        terminal.say("note", line)
    for verdict in across.verdicts:
        for line in verdict.silent:
            terminal.say("note", line)
        terminal.out.print(f"[bold]verdict[/bold]  {verdict.setting.words}: {verdict.sentence}")
    terminal.say("report", str(page))


def plain(across: AcrossSweeps) -> dict[str, Any]:
    """Return the record for `--format json`."""
    from sslbench.leaderboard.across.text import to_plain

    return to_plain(across)
