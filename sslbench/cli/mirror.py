"""MLflow as the commands use it: live beside a sweep, caught up by `sync`, opened by `ui`."""

from __future__ import annotations

from pathlib import Path

from sslbench.cli import terminal
from sslbench.cli.board import Answer, answer
from sslbench.cli.exit_codes import OK
from sslbench.cli.places import Home
from sslbench.cli.question import Question, asked, newest
from sslbench.cli.report_seal import current_report
from sslbench.discretion import without_password
from sslbench.errors import SetupError
from sslbench.ledger import Ledger
from sslbench.results import MetricKey
from sslbench.search.run import Execution, owned
from sslbench.tracking.facts import Ending, ProjectionFacts
from sslbench.tracking.live import LiveMirror, sync
from sslbench.tracking.store import ensure_store, store_uri
from sslbench.tracking.ui import deep_link, serve

UI_PORT = 5000


def live_mirror(ledger: Ledger, question: Question, home: Home) -> LiveMirror:
    """Return the thread that ships a sweep's ledger while it runs."""
    return LiveMirror(ledger, store_uri(home.folder), projection_facts(question, home))


def projection_facts(question: Question, home: Home) -> ProjectionFacts:
    """Return what MLflow is told beside the ledger."""
    spec = question.sweep_spec
    return ProjectionFacts(
        sweep=question.sweep,
        question=spec.question,
        execution=question.execution,
        dataset=str(question.data["dataset"]),
        objective=spec.objective.metric,
        home=home.folder,
        label_names=tuple(question.data["label_names"]),
        task=_judged_on(spec.objective.metric),
    )


def _judged_on(objective: str) -> str:
    """Return what embeddings are judged on, as it stands in a registered model's name."""
    key = MetricKey.parse(objective)
    return "cell_type" if key.metric == "macro_f1" else key.evaluation


def ending(found: Answer, files: list[Path]) -> Ending:
    """Return what the parent run shows of a sweep that came to its end."""
    board = found.board
    name = f"validation_{board.metric.name}"
    summary = {f"leaderboard/{row.arm}/{name}": row.validation for row in board.rows}
    return Ending(verdict=board.verdict, report_files=tuple(files), summary=summary)


def browse_link(mirror: LiveMirror, question: Question) -> str:
    """Return the link that shows the sweep's trials best first, once the UI runs."""
    if mirror.experiment_id is None:
        return ""
    objective = question.sweep_spec.objective.metric
    return deep_link(mirror.experiment_id, objective, port=UI_PORT, execution=question.execution)


def sync_all(home: Home, sweep: str | None) -> int:
    """Bring MLflow up to date with every sweep of the ledger, or with one; return the exit code.

    Of a sweep that runs it is said, and the others have their turn.
    """
    newest(home, sweep)
    uri, code = store_uri(home.folder), OK
    for folder, question in asked(home, sweep):
        try:
            with owned(folder):
                sync(
                    Ledger(folder),
                    uri,
                    projection_facts(question, home),
                    ending=_ending_if_over(folder, question, home),
                )
        except SetupError as error:
            # any other is of the store, and the next sweep would meet it too
            if error.code != "S020":
                raise
            terminal.err.print(str(error), markup=False)
            code = error.exit_code
            continue
        terminal.say(
            "synced", f"{question.sweep} on {question.data['dataset']} -> {without_password(uri)}"
        )
    return code


def serve_ui(home: Home, port: int) -> int:
    """Serve the MLflow UI on 127.0.0.1 until interrupted; return its exit code."""
    uri = store_uri(home.folder)
    # the server runs in it, also where the store is elsewhere
    home.folder.mkdir(parents=True, exist_ok=True)
    ensure_store(uri, home.folder)
    terminal.say(
        "ui",
        f"http://127.0.0.1:{port}  (Ctrl-C ends it; from afar: ssh -L {port}:127.0.0.1:{port})",
    )
    return serve(uri, home.folder, port=port)


def _ending_if_over(folder: Path, question: Question, home: Home) -> Ending | None:
    """Return the ending of a sweep whose trials have all ended, else None."""
    execution = Execution(
        spec=question.sweep_spec,
        ledger=Ledger(folder),
        store=Path(question.store),
        data_fingerprint=question.data_fingerprint or str(question.data["fingerprint"]),
        provenance={},
    )
    if not execution.agenda().is_done():
        return None
    found = answer(folder, question)
    return ending(found, current_report(home, found))
