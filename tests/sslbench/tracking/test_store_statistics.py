from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sslbench.tracking.facts import Ending
from sslbench.tracking.mirror import Mirror
from sslbench.tracking.store import count_rows
from tests.sslbench.tracking.fake_ledger import facts_of, ledger_at, whole_sweep


def test_the_database_knows_how_its_rows_lie_when_a_sweep_has_ended(
    home: Path, uri: str, tmp_path: Path
) -> None:
    ledger = ledger_at(tmp_path)
    whole_sweep(ledger)
    Mirror(ledger, uri, facts_of(home)).close(Ending(verdict="not separable"))
    with closing(sqlite3.connect(home / "mlflow.db")) as database:
        known = {row[0] for row in database.execute("select tbl from sqlite_stat1")}
    assert {"runs", "tags", "latest_metrics"} <= known


def test_a_server_is_not_asked_to_count() -> None:
    count_rows("http://127.0.0.1:9")
