"""`sslbench status` and `sslbench leaderboard`: what the ledger says now."""

from __future__ import annotations

from collections import Counter

from sslbench.cli import terminal
from sslbench.cli.across import plain, show_across, write_index
from sslbench.cli.board import answer
from sslbench.cli.places import Home
from sslbench.cli.question import Question, asked, newest
from sslbench.cli.report_seal import current_report
from sslbench.cli.show import say_damaged, show_answer
from sslbench.leaderboard.across.pairs import RankedSweep
from sslbench.leaderboard.across.store import across_sweeps
from sslbench.ledger import Ledger
from sslbench.results import TrialRecord
from sslbench.search.drivers import driver_of


def show_status(home: Home, sweep: str | None, output: str) -> None:
    """Print one line per arm of every sweep in the ledger, and whether somebody runs it."""
    newest(home, sweep)  # says what to do where there is none
    drivers, shown = {}, []
    for folder, question in asked(home, sweep):
        drivers[folder.name] = driver_of(folder)
        ledger = Ledger(folder)
        records = ledger.records()
        rows = _status_rows(list(records.values()), question)
        shown += [(*row, drivers[folder.name]) for row in rows]
        say_damaged(ledger.damaged(records), state=f"to run them again: {question.command}")
    if output == "json":
        columns = (*COLUMNS, "driver")
        terminal.print_json([dict(zip(columns, row, strict=True)) for row in shown])
        return
    terminal.print_table(COLUMNS, [row[:-1] for row in shown])
    for name, driver in drivers.items():
        terminal.say("driver", f"{name}: {driver or 'no driver is running'}")


COLUMNS = ("sweep", "data", "arm", "search", "confirm", "stopped", "failed", "best validation")


def _status_rows(records: list[TrialRecord], question: Question) -> list[tuple[str, ...]]:
    spec = question.sweep_spec
    rows: list[tuple[str, ...]] = []
    for name, arm in spec.arms.items():
        own = [record for record in records if record.arm == name]
        outcomes = Counter(record.outcome for record in own)
        stages = Counter(record.stage for record in own)
        scores = [r.score for r in own if r.stage == "search" and r.score is not None]
        best = max(scores, default=None)
        rows.append(
            (
                question.sweep,
                str(question.data["dataset"]),
                name,
                f"{stages['search']}/{arm.n_trials(spec.budget)}",
                f"{stages['confirm']}/{spec.budget.confirm_seeds}",
                str(outcomes["stopped"]),
                str(outcomes["failed"]),
                "" if best is None else f"{best:.3f}",
            )
        )
    return rows


def show_leaderboards(home: Home, sweep: str | None, output: str) -> None:
    """Rank every sweep in the ledger (the newest execution of each on each data set) and write its report.

    Without a name, all sweeps are then compared with each other.
    """
    newest(home, sweep)
    ranked: dict[tuple[str, str], RankedSweep] = {}
    reports, tables = {}, []
    for folder, question in asked(home, sweep):
        key = (question.sweep, str(question.data["dataset"]))
        if key in ranked:
            continue
        found = answer(folder, question)
        ranked[key] = RankedSweep(board=found.board, facts=found.facts)
        files = current_report(home, found)
        reports[key] = files[0].name
        if output == "json":
            from sslbench.leaderboard.text import to_frame

            rows = to_frame(found.board).to_dict(orient="records")
            tables.append(
                {"sweep": key[0], "dataset": key[1], "verdict": found.board.verdict, "rows": rows}
            )
            continue
        terminal.say("sweep", f"{key[0]} on {key[1]}: {found.facts.question}")
        show_answer(found, insight=sweep is not None)
        terminal.say("report", str(files[0]))
    across = across_sweeps(list(ranked.values())) if sweep is None else None
    page = write_index(home, across, reports) if across is not None else None
    if output == "json":
        terminal.print_json({"sweeps": tables, "across": plain(across) if across else None})
    elif across is not None and page is not None:
        show_across(across, page)
