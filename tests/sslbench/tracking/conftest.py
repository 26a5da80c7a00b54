"""An empty ledger, and a folder of answers with an empty MLflow database: made once a session, copied for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sslbench.ledger import Ledger
from sslbench.tracking.store import ensure_store, store_uri
from tests.sslbench.tracking.fake_ledger import ledger_at


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("store")
    ensure_store(f"sqlite:///{home}/mlflow.db", home)
    return home / "mlflow.db"


@pytest.fixture
def home(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / "tracking"
    folder.mkdir()
    shutil.copy(empty_store, folder / "mlflow.db")
    return folder


@pytest.fixture
def uri(home: Path) -> str:
    return store_uri(home)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return ledger_at(tmp_path)
