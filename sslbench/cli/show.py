"""The sweep's output around its table: header, verdict, notes and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from sslbench.cli import terminal
from sslbench.leaderboard.fitting import label_lines, terminal_tables
from sslbench.leaderboard.freshness import stale_line
from sslbench.leaderboard.table import HOW_TO_READ, part_text
from sslbench.provenance import version_of

if TYPE_CHECKING:
    from sslbench.cli.board import Answer
    from sslbench.leaderboard.board import JudgedClaim, LabelCurve

NAMED = 5  # damaged trials that are listed by name


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


def show_answer(found: Answer, *, insight: bool = True) -> None:
    """Print the leaderboard, its caveats and the verdict, and which options matter if `insight`."""
    board = found.board
    if board.rows or board.external:
        for table in terminal_tables(board, digits=2, width=terminal.table_width()):
            terminal.print_table([column.title for column in table.columns], table.rows)
            terminal.out.print()
        terminal.say(
            "note",
            "* the protocol that validation chose: it ranks the row; the others stand beside it",
        )
        terminal.say("note", HOW_TO_READ)
        terminal.say("note", board.stamp)
    if board.label_curve is not None:
        _show_labels(board.label_curve)
    if insight and (matters := _what_matters(found)):
        terminal.say("matters", matters)
    for line in (*board.notes, *board.holes):
        terminal.say("note", line)
    for row in board.stale:
        terminal.say("stale", stale_line(row, digits=2))
    for group in board.failures:
        text = f"{group.n_trials} x {group.arm} ({group.stage}) {group.kind}: {group.message}"
        terminal.say("failed", text)
    if board.claim is not None:
        _show_claim(board.claim)
    terminal.out.print(f"[bold]verdict[/bold]  {board.verdict}")


def _what_matters(found: Answer) -> str:
    """Return the most important option of each self-supervised arm in which one stands out from chance."""
    own = {row.arm for row in found.board.rows if row.regime == "self-supervised"}
    told = [
        f"{of.arm}: {one.parameter} explains {100 * one.importance:.0f} % ({100 * one.low:.0f}–{100 * one.high:.0f}, chance up to {100 * one.chance:.0f})"
        for of in found.importance
        if of.arm in own and (one := of.foremost) is not None
    ]
    return f"of the differences between search trials: {'; '.join(told)}" if told else ""


def _show_labels(curve: LabelCurve) -> None:
    """Print what pretraining gains at each share of the labels."""
    table = label_lines(curve, digits=2, width=terminal.table_width())
    terminal.print_table([column.title for column in table.columns], table.rows)
    terminal.out.print()
    for line in (curve.sentence, curve.stamp, *curve.holes):
        terminal.say("labels", line)


def _show_claim(claim: JudgedClaim) -> None:
    """Print what was published, each of its comparisons, and what became of it."""
    terminal.say("claim", f"{claim.text} ({claim.source})")
    for part in claim.parts:
        terminal.say("", f"{part.says}: {part_text(part, digits=3)}")
    terminal.out.print(f"[bold]claim[/bold]    {escape(claim.sentence)}")


def show_next_steps(page: Path, *, link: str, uri: str) -> None:
    """Say where everything is and what to type next."""
    terminal.say("report", str(page))
    terminal.say("store", uri)
    terminal.say("browse", f"make ui, then {link}" if link else "make ui")
    terminal.say(
        "next", "make pull TO=best  |  sslbench embed my.h5ad --model best --out embedded.h5ad"
    )


def say_damaged(uids: Sequence[str], *, state: str) -> None:
    """Say in one line which trials have ended and are not as they were written; nothing if there is none."""
    if uids:
        more = f" and {len(uids) - NAMED} more" if len(uids) > NAMED else ""
        named = f"{', '.join(uids[:NAMED])}{more}"
        what = f"{len(uids)} trials ended, but their records or files are not as they were written"
        terminal.say("damaged", f"{what}: {named}; {state}")


def show_not_synced(problem: str) -> None:
    """Say that MLflow lags behind, and how it catches up."""
    terminal.say(
        "store",
        f"not up to date ({problem or 'no answer in time'}); results are safe: sslbench sync",
    )
