"""The whole projection through HTTP: a server that keeps artefacts itself, goes away, and comes back."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow import MlflowClient

from sslbench.champion import champion
from sslbench.tracking.facts import Ending
from sslbench.tracking.live import LiveMirror, sync
from sslbench.tracking.registry import pull_from_registry
from sslbench.tracking.ui import ui_environment
from tests.sslbench.tracking.fake_ledger import facts_of, ledger_at, whole_sweep

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def server(folder: Path, port: int) -> Iterator[str]:
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", str(folder / "kept"),
    ]  # fmt: skip
    process = subprocess.Popen(
        command, env=ui_environment(os.environ), cwd=folder,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 90
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            assert time.monotonic() < deadline, f"{url} did not come up"
            time.sleep(0.3)


def contents(folder: Path) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in folder.iterdir()}


def test_a_team_server_that_was_away_gets_everything_and_gives_the_champion(
    home: Path, tmp_path: Path
) -> None:
    ledger, port, folder = ledger_at(tmp_path), free_port(), tmp_path / "server"
    folder.mkdir()
    whole_sweep(ledger)
    with LiveMirror(ledger, f"http://127.0.0.1:{port}", facts_of(home), drain_seconds=0.5) as live:
        live.finish(Ending(verdict="not separable"))
    assert not live.synced

    with server(folder, port) as uri:
        experiment_id = sync(ledger, uri, facts_of(home), ending=Ending(verdict="not separable"))
        runs = MlflowClient(uri).search_runs([experiment_id])
        status = sorted(run.info.status for run in runs)
        pulled = pull_from_registry(uri, "sslbench.pbmc_cite.cell_type", tmp_path / "best")
    assert status == ["FAILED", *["FINISHED"] * 5, "KILLED"]
    best = champion(ledger.records().values())
    assert best is not None
    attempt = ledger.attempt(best.record.uid)
    assert attempt is not None
    assert contents(pulled) == contents(attempt.folder / "checkpoint")
    assert not (home / "artifacts").exists()
