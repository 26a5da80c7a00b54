"""The whole projection through HTTP: a server that keeps artefacts itself, goes away, and comes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from sslbench.champion import champion
from sslbench.tracking.facts import Ending
from sslbench.tracking.live import LiveMirror, sync
from sslbench.tracking.registry import pull_from_registry
from tests.sslbench.tracking.fake_ledger import facts_of, ledger_at, whole_sweep
from tests.sslbench.tracking.real_server import RealServer, real_server

pytestmark = pytest.mark.slow


def contents(folder: Path) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in folder.iterdir()}


def test_a_team_server_that_was_away_gets_everything_and_gives_the_champion(
    home: Path, tmp_path: Path
) -> None:
    ledger, away = ledger_at(tmp_path), RealServer(tmp_path / "away")
    whole_sweep(ledger)
    with LiveMirror(ledger, away.uri, facts_of(home), drain_seconds=0.5) as live:
        live.finish(Ending(verdict="not separable"))
    assert not live.synced

    with real_server(tmp_path / "server") as server:
        uri = server.uri
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
