"""The sweep's output around its table: header, verdict, notes and what to do next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sslbench.cli import terminal
from sslbench.leaderboard.freshness import stale_line
from sslbench.leaderboard.table import Table, label_table, main_table, protocol_table
from sslbench.provenance import version_of

if TYPE_CHECKING:
    from sslbench.cli.board import Answer
    from sslbench.leaderboard.board import LabelCurve


def show_header() -> None:
    """Say what runs on what."""
    import platform

    from torch import cuda

    from sslbench.search.cluster import available_cpus

    parts = [f"sslbench {version_of('sslbench')}", f"python {platform.python_version()}"]
    parts += [f"{name} {version_of(name)}" for name in ("torch", "ray", "optuna", "mlflow")]
    n_gpus = cuda.device_count()
    gpus = f"{n_gpus} x {cuda.get_device_name(0)}" if n_gpus else "no GPU"
    parts.append(f"{available_cpus()} CPUs, {gpus}")
    terminal.err.print(" | ".join(parts), style="bold", markup=False)


def show_answer(found: Answer) -> None:
    """Print the leaderboard, its caveats and the verdict."""
    board = found.board
    if board.rows or board.external:
        for table in (_narrow(main_table(board, digits=2)), protocol_table(board, digits=2)):
            terminal.print_table([column.title for column in table.columns], table.rows)
            terminal.out.print()
        terminal.say(
            "note",
            "* the protocol that validation chose: it ranks the row; the others stand beside it",
        )
        terminal.say("note", board.stamp)
    if board.label_curve is not None:
        _show_labels(board.label_curve)
    for line in (*board.notes, *board.holes):
        terminal.say("note", line)
    for row in board.stale:
        terminal.say("stale", stale_line(row, digits=2))
    for group in board.failures:
        text = f"{group.n_trials} x {group.arm} ({group.stage}) {group.kind}: {group.message}"
        terminal.say("failed", text)
    terminal.out.print(f"[bold]verdict[/bold]  {board.verdict}")


def _show_labels(curve: LabelCurve) -> None:
    """Print what pretraining gains at each share of the labels."""
    table = label_table(curve, digits=2)
    terminal.print_table([column.title for column in table.columns], table.rows)
    terminal.out.print()
    for line in (curve.sentence, curve.stamp, *curve.holes):
        terminal.say("labels", line)


def _narrow(table: Table) -> Table:
    """Drop the protocol's column, which the second table shows too, so that a line has 100 characters."""
    at = [column.title for column in table.columns].index("protocol")
    rows = tuple((*row[:at], *row[at + 1 :]) for row in table.rows)
    return Table(columns=(*table.columns[:at], *table.columns[at + 1 :]), rows=rows)


def show_next_steps(page: Path, *, link: str, uri: str) -> None:
    """Say where everything is and what to type next."""
    terminal.say("report", str(page))
    terminal.say("store", uri)
    terminal.say("browse", f"make ui, then {link}" if link else "make ui")
    terminal.say(
        "next", "make pull TO=best  |  sslbench embed my.h5ad --model best --out embedded.h5ad"
    )


def show_not_synced(problem: str) -> None:
    """Say that MLflow lags behind, and how it catches up."""
    terminal.say(
        "store",
        f"not up to date ({problem or 'no answer in time'}); results are safe: sslbench sync",
    )
