from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import patch

import pytest
from mlflow import MlflowClient
from sqlalchemy import Engine

from sslbench.errors import SetupError
from sslbench.tracking.store import artifact_root, ensure_store, store_uri

CREATE = """
import sys
from pathlib import Path
from sslbench.tracking.store import ensure_store, store_uri
import mlflow.store.tracking.sqlalchemy_store
print("ready", flush=True)
ensure_store(store_uri(Path(sys.argv[1])), Path(sys.argv[1]))
print("done", flush=True)
"""


FIRST_REVISION = "451aebb31d03"


def is_usable(home: Path) -> bool:
    """Ask a fresh process: MLflow keeps the first connection to a file for ever."""
    code = (
        f"from mlflow import MlflowClient; MlflowClient({store_uri(home)!r}).create_experiment('x')"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def files_beside(home: Path) -> set[str]:
    return {f.name for f in home.iterdir()} - {".mlflow.db.lock"}


def test_the_store_is_an_absolute_path_unless_a_server_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    assert store_uri(Path("tracking")) == f"sqlite:///{tmp_path}/tracking/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://lab:5000")
    assert store_uri(Path("tracking")) == "http://lab:5000"
    assert store_uri(Path("tracking"), "sqlite:////else.db") == "sqlite:////else.db"


def test_artefacts_lie_at_an_absolute_place_but_a_server_decides_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert artifact_root("sqlite:///x.db", Path("tracking")) == f"{tmp_path}/tracking/artifacts"
    assert artifact_root("http://lab:5000", Path("tracking")) is None


def test_a_new_store_is_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    ensure_store(store_uri(tmp_path), tmp_path)
    assert files_beside(tmp_path) == {"mlflow.db"}
    default = MlflowClient(store_uri(tmp_path)).get_experiment("0")
    assert default.artifact_location == f"{tmp_path}/artifacts/0"


def test_a_present_store_is_not_touched(home: Path, uri: str) -> None:
    before = (home / "mlflow.db").stat()
    ensure_store(uri, home)
    after = (home / "mlflow.db").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.0, 0.05, 0.15, 0.3, 0.5, 0.8])
def test_a_kill_during_creation_does_not_brick_the_store(tmp_path: Path, after: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CREATE, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(after)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    ensure_store(store_uri(tmp_path), tmp_path)
    assert files_beside(tmp_path) == {"mlflow.db"}
    assert is_usable(tmp_path)


@pytest.mark.slow
def test_several_processes_that_create_the_store_at_once_get_one_whole_store(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", CREATE, str(tmp_path)]
    creators = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [creator.communicate(timeout=120)[0] for creator in creators] == ["ready\ndone\n"] * 3
    assert files_beside(tmp_path) == {"mlflow.db"}
    assert is_usable(tmp_path)


@pytest.mark.slow
def test_a_half_made_database_is_kept_aside_and_made_anew(tmp_path: Path) -> None:
    make_half_made_database(tmp_path / "mlflow.db")
    assert not is_usable(tmp_path)
    ensure_store(store_uri(tmp_path), tmp_path)
    assert is_usable(tmp_path)
    assert (tmp_path / "mlflow.db.broken-1").exists()


@pytest.mark.slow
def test_a_file_that_is_no_database_is_kept_aside(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is not a database, whatever its name says" * 50)
    ensure_store(store_uri(tmp_path), tmp_path)
    assert is_usable(tmp_path)
    assert "not a database" in (tmp_path / "mlflow.db.broken-1").read_text()


@pytest.mark.slow
def test_an_older_database_is_upgraded_with_what_it_holds(tmp_path: Path) -> None:
    old = make_old_database(tmp_path / "mlflow.db", experiment="kept")
    ensure_store(store_uri(tmp_path), tmp_path)
    assert files_beside(tmp_path) == {"mlflow.db"}
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        names = [row[0] for row in connection.execute("select name from experiments")]
        revision = connection.execute("select version_num from alembic_version").fetchone()[0]
    assert "kept" in names
    assert revision != old
    assert is_usable(tmp_path)


def test_a_database_of_a_newer_mlflow_is_refused_and_left_alone(home: Path, uri: str) -> None:
    with sqlite3.connect(home / "mlflow.db") as connection:
        connection.execute("update alembic_version set version_num = 'ffffffffffff'")
    before = (home / "mlflow.db").read_bytes()
    with pytest.raises(SetupError, match="newer MLflow") as caught:
        ensure_store(uri, home)
    assert caught.value.code == "S030"
    assert (home / "mlflow.db").read_bytes() == before


def test_a_database_that_cannot_be_opened_is_left_where_it_is(home: Path, uri: str) -> None:
    (home / "mlflow.db").unlink()
    (home / "mlflow.db").mkdir()  # as one without the right to read it: root may read every file
    with pytest.raises(SetupError, match="unable to open database file") as caught:
        ensure_store(uri, home)
    assert caught.value.code == "S035"
    assert files_beside(home) == {"mlflow.db"}


def test_an_older_database_is_left_where_it_is_if_there_is_no_space_to_upgrade_it(
    home: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(engine: Engine) -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql("pragma max_page_count = 1")
            connection.exec_driver_sql("create table more (than_fits text)")

    with sqlite3.connect(home / "mlflow.db") as connection:
        connection.execute("update alembic_version set version_num = ?", (FIRST_REVISION,))
    before = (home / "mlflow.db").read_bytes()
    monkeypatch.setattr("mlflow.store.db.utils._upgrade_db", fill)
    with pytest.raises(SetupError, match="disk is full"):
        ensure_store(uri, home)
    assert (home / "mlflow.db").read_bytes() == before


@pytest.mark.parametrize(
    "statement",
    ["drop table alembic_version", "update alembic_version set version_num = cast(x'ff' as text)"],
)
def test_a_database_that_does_not_say_what_it_is_is_kept_aside(
    home: Path, uri: str, statement: str
) -> None:
    with sqlite3.connect(home / "mlflow.db") as connection:
        connection.execute(statement)
    # a new one takes seconds to make
    with patch("sslbench.tracking.store._create") as created:
        ensure_store(uri, home)
    created.assert_called_once()
    assert files_beside(home) == {"mlflow.db.broken-1"}


def make_half_made_database(file: Path) -> None:
    """Leave what a kill in the middle of the migrations does: their tables, and a mark that is behind them."""
    old = make_old_database(file, experiment="x")
    with sqlite3.connect(file) as connection:
        connection.execute("update alembic_version set version_num = ?", (FIRST_REVISION,))
    assert old != FIRST_REVISION


def make_old_database(file: Path, *, experiment: str) -> str:
    """Make a database as an MLflow of some revisions ago left it; return its revision."""
    from alembic import command
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config, create_sqlalchemy_engine
    from mlflow.store.tracking.dbmodels.initial_models import Base

    config = _get_alembic_config(f"sqlite:///{file}")
    revisions = [r.revision for r in ScriptDirectory.from_config(config).walk_revisions()]
    engine = create_sqlalchemy_engine(f"sqlite:///{file}")
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revisions[12])
    engine.dispose()
    with sqlite3.connect(file) as connection:
        connection.execute(
            "insert into experiments (name, lifecycle_stage) values (?, 'active')", (experiment,)
        )
    return str(revisions[12])
