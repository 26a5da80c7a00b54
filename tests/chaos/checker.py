"""What must hold after whatever happened, read from the ledger, the MLflow database, /proc and the temporary folder."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path

from tests.chaos.harness import N_TRIALS, Ended, Place, ended
from tests.chaos.processes import of_driver, wait_until


def check_nothing_lost(before: Mapping[str, Ended], after: Mapping[str, Ended]) -> None:
    """I1: what had ended is byte for byte what it was, and nobody tried it again."""
    changed = {uid: (was, after.get(uid)) for uid, was in before.items() if after.get(uid) != was}
    assert not changed, f"trials lost, changed or run again: {changed}"


def check_whole(home: Path, *, n_trials: int = N_TRIALS) -> None:
    """I2 and I3: every trial that was asked for has ended, each is one MLflow run, and no run is RUNNING."""
    uids = set(ended(home))
    assert len(uids) == n_trials
    planned = {folder.name for folder in home.glob("ledger/*/trials/*")}
    assert planned == uids, "trials that were planned and never ended"
    with closing(sqlite3.connect(home / "mlflow.db")) as database:
        running = _rows(database, "select name from runs where status = 'RUNNING'")
        shown = _rows(
            database,
            "select t.value from tags t join runs r on r.run_uuid = t.run_uuid"
            " join (select run_uuid, value from tags where key = 'sslbench.execution') e on e.run_uuid = r.run_uuid"
            " where t.key = 'sslbench.uid' and r.lifecycle_stage = 'active'"
            f" and e.value in ({','.join('?' * len(_executions(home)))})",
            *_executions(home),
        )
    assert running == [], "MLflow runs left RUNNING"
    assert Counter(shown) == dict.fromkeys(uids, 1), "MLflow runs per trial"


def check_nothing_left(here: Place) -> None:
    """I5: half a minute after the last driver no process, temporary folder or half-written file is there any more."""
    over = [driver.pid for driver in here.drivers if driver.is_over()]
    with suppress(TimeoutError):
        wait_until(lambda: not any(map(of_driver, over)), seconds=30.0, what="all have ended")
    assert {pid: of_driver(pid) for pid in over if of_driver(pid)} == {}, "processes left"
    assert list(here.scratch.glob("*sslb-*")) == [], "scratch folders left"
    half = [f for f in here.home.rglob("*") if f.name.endswith(".tmp") or ".new" in f.name]
    assert [f for f in half if "/attempt-" not in str(f)] == [], "half-written files left"


def _rows(database: sqlite3.Connection, query: str, *values: str) -> list[str]:
    return [row[0] for row in database.execute(query, values)]


def _executions(home: Path) -> list[str]:
    """Return the executions that the ledger is about now; those before a --fresh are history."""
    files = home.glob("ledger/*/sweep.json")
    return [json.loads(file.read_text(encoding="utf-8"))["execution"] for file in files]
