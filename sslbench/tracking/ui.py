"""How a person looks at the answers: MLflow's own pages, on this machine only, opened where the trials are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from sslbench.discretion import without_password
from sslbench.errors import SetupError
from sslbench.tracking.client import quiet_mlflow
from sslbench.tracking.facts import ProjectionFacts

_HOST = "127.0.0.1"


def ui_command(home: Path, *, port: int) -> list[str]:
    """Return the command that serves a store to this machine alone, in one worker process; which, the environment says."""
    hosts = ",".join([f"localhost:{port}", f"{_HOST}:{port}", "localhost", _HOST])
    origins = f"http://localhost:{port},http://{_HOST}:{port}"
    return [
        sys.executable, "-m", "mlflow", "server",
        "--default-artifact-root", str(home.resolve() / "artifacts"),
        "--host", _HOST,
        "--port", str(port),
        "--workers", "1",
        "--allowed-hosts", hosts,
        "--cors-allowed-origins", origins,
    ]  # fmt: skip


def ui_environment(environment: Mapping[str, str], *, uri: str) -> dict[str, str]:
    """Return `environment` with the store that is served, and without telemetry and the job runner's ten processes.

    The store's URI may hold a password, and everybody on a machine may read command lines.
    """
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return {**environment, **quiet, "DO_NOT_TRACK": "true", "MLFLOW_BACKEND_STORE_URI": uri}


def serve(uri: str, home: Path, *, port: int) -> int:
    """Serve a store that is there until interrupted; return the server's exit code.

    Raises
    ------
    SetupError
        If `uri` is a server already: its pages are at its own address.
    """
    if uri.startswith("http"):
        raise SetupError(
            "the answers are on a tracking server, which has pages of its own",
            code="S031",
            found=f"MLFLOW_TRACKING_URI={without_password(uri)}",
            fix=f"open {without_password(uri)}",
        )
    quiet_mlflow()
    process = subprocess.Popen(
        ui_command(home, port=port), env=ui_environment(os.environ, uri=uri), cwd=home
    )
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        return process.wait()


def trials_fragment(experiment_id: str, objective: str, *, execution: str | None = None) -> str:
    """Return the part of the address after the server: finished search trials, best first, with their curves.

    MLflow opens experiments in its GenAI view and folds child runs away unless the list is sorted by a metric.
    Trials of other executions (other data, another budget, before `--fresh`) are left out if one is named.
    """
    wanted = ["tags.`sslbench.stage` = 'search'", "attributes.status = 'FINISHED'"]
    if execution is not None:
        wanted.append(f"tags.`sslbench.execution` = '{execution}'")
    return (
        f"#/experiments/{experiment_id}/runs?workflowType=machine_learning&compareRunsMode=CHART"
        f"&searchFilter={quote(' and '.join(wanted), safe='')}"
        f"&orderByKey={quote(f'metrics.`{objective}`', safe='')}&orderByAsc=false"
    )


def deep_link(
    experiment_id: str, objective: str, *, port: int, execution: str | None = None
) -> str:
    """Return the address of a sweep's trials, best first, on the server that `serve` starts."""
    fragment = trials_fragment(experiment_id, objective, execution=execution)
    return f"http://{_HOST}:{port}/{fragment}"


def experiment_note(
    experiment_id: str, facts: ProjectionFacts, *, run_id: str | None = None
) -> str:
    """Return the markdown that says what to click."""
    trials = trials_fragment(experiment_id, facts.objective, execution=facts.execution)
    table = trials.replace("&compareRunsMode=CHART", "")
    lines = [
        f"- [search trials on {facts.dataset}, best `{facts.objective}` first, with their curves]({trials})",
        f"- [the same as a table]({table})",
        "- search trials carry `val/…` scores; confirm runs, on fresh seeds, also `test/…`",
    ]
    if run_id is not None:
        report = f"#/experiments/{experiment_id}/runs/{run_id}/artifacts"
        return "\n".join([f"- [the report and the leaderboard]({report})", *lines])
    return "\n".join([facts.question, "", *lines])
