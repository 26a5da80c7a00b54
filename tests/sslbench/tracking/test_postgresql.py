"""A team's server as teams run it, `mlflow server` before a PostgreSQL, while four people sweep at once."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from pathlib import Path

import pytest
from mlflow import MlflowClient

from sslbench.ledger import Ledger
from tests.sslbench.tracking.fake_ledger import ledger_at
from tests.sslbench.tracking.fake_sweep import DRAIN_SECONDS, sweep
from tests.sslbench.tracking.real_postgres import real_postgres
from tests.sslbench.tracking.real_server import real_server

pytestmark = pytest.mark.nightly
N_SWEEPS, N_TRIALS = 4, 15


def test_four_sweeps_at_once_are_all_there_once(tmp_path: Path) -> None:
    """They even share the name of the experiment and of the registered model, which all want to make."""
    folders = {f"e{number}": tmp_path / f"sweep-{number}" for number in range(N_SWEEPS)}
    start = multiprocessing.get_context("spawn").Process
    with real_postgres() as backend, real_server(tmp_path / "server", backend=backend) as server:
        drivers = [
            start(target=sweep, args=(folder, server.uri, execution, N_TRIALS))
            for execution, folder in folders.items()
        ]
        for driver in drivers:
            driver.start()
        for driver in drivers:
            driver.join(2 * DRAIN_SECONDS)
        assert [driver.exitcode for driver in drivers] == [0] * N_SWEEPS
        client = MlflowClient(server.uri)
        (experiment,) = client.search_experiments(filter_string="name = 'mae_masking'")
        runs = list(client.search_runs([experiment.experiment_id], max_results=1_000))
        assert client.get_model_version_by_alias("sslbench.pbmc_cite.cell_type", "champion")
    assert {run.info.status for run in runs} == {"FINISHED"}
    shown = Counter(
        (r.data.tags["sslbench.execution"], r.data.tags.get("sslbench.uid")) for r in runs
    )
    assert set(shown.values()) == {1}
    for execution, folder in folders.items():
        uids = {uid for of, uid in shown if of == execution}
        assert uids == {None, *records(ledger_at(folder))}


def records(ledger: Ledger) -> set[str]:
    found = set(ledger.records())
    assert len(found) == N_TRIALS + 1
    return found
