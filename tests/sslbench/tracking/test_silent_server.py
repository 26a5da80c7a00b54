"""A server that takes connections and never answers, as a stopped or overloaded one does: worse than a dead one."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sslbench.errors import SetupError
from sslbench.tracking.facts import Ending
from sslbench.tracking.live import LiveMirror, sync
from tests.sslbench.tracking.fake_ledger import facts_of, ledger_at, whole_sweep


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_it_holds_nobody_up_longer_than_leaving_may_take(
    home: Path, tmp_path: Path, silent: str
) -> None:
    ledger = ledger_at(tmp_path)
    with LiveMirror(ledger, silent, facts_of(home), drain_seconds=1.0) as live:
        started = time.monotonic()
        whole_sweep(ledger)
        live.finish(Ending(verdict="not separable"))
    assert time.monotonic() - started < 1.0 + 2.0
    assert not live.synced


def test_sync_gives_up_and_says_what_to_do(home: Path, tmp_path: Path, silent: str) -> None:
    ledger = ledger_at(tmp_path)
    whole_sweep(ledger)
    with pytest.raises(SetupError) as caught:
        sync(ledger, silent, facts_of(home))
    assert caught.value.code == "S032"
