"""A password in a tracking URI is shown nowhere, stored nowhere, and on no command line; nor is a home folder told."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from sslbench.config import TrialConfig
from sslbench.discretion import first_line, without_home, without_password
from sslbench.errors import SetupError
from sslbench.leaderboard.board import StaleRow
from sslbench.leaderboard.effort import failure_groups
from sslbench.leaderboard.report.material import Material
from sslbench.leaderboard.report.versions import stale_section
from sslbench.results import Failure, TrialRecord
from sslbench.tracking.description import ended_tags, run_params
from sslbench.tracking.live import LiveMirror, sync
from sslbench.tracking.reachable import reached
from sslbench.tracking.registry import pull_from_registry
from sslbench.tracking.ui import serve, ui_command
from tests.sslbench.tracking.fake_ledger import begin, facts_of, job_of, ledger_at

SECRET = "hunter2"
# nobody listens on port 9
URIS = (
    f"http://u:{SECRET}@127.0.0.1:9",
    f"https://{SECRET}@127.0.0.1:9/x?token={SECRET}",
)


@pytest.mark.parametrize(
    "uri, shown",
    [
        ("postgresql://u:hunter2@h:5432/db", "postgresql://***@h:5432/db"),
        ("mysql+pymysql://u:p@ss@h/db", "mysql+pymysql://***@h/db"),
        ("postgresql+psycopg2://u:aB/cD9x@h/db", "postgresql+psycopg2://***@h/db"),
        ("postgresql://u:a#b@h/db", "postgresql://***@h/db"),
        ("postgresql://u:p@ss/w?rd@h/db", "postgresql://***@h/db"),
        ("postgresql://h/db", "postgresql://h/db"),
        ("http://h:5000", "http://h:5000"),
        ("http://h/a@b", "http://h/a@b"),
        ("sqlite:////home/a@b/mlflow.db", "sqlite:////home/a@b/mlflow.db"),
        ("postgresql://h/db?user=u&password=p&x=1", "postgresql://h/db?user=u&password=***&x=1"),
        ("cannot reach http://u:p@h/, see http://h/", "cannot reach http://***@h/, see http://h/"),
        ("databricks", "databricks"),
    ],
)
def test_only_who_logs_in_and_secrets_are_hidden(uri: str, shown: str) -> None:
    assert without_password(uri) == shown


@pytest.mark.parametrize(
    "uri",
    [
        *URIS,
        f"http://u:{SECRET}@localhost",
        f"postgresql://u:{SECRET}/x@h/db",
    ],
)
def test_what_cannot_be_reached_is_said_without_a_password(uri: str) -> None:
    with pytest.raises(SetupError) as caught:
        reached(uri)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("uri", URIS)
def test_no_error_and_no_log_shows_a_password(
    uri: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="sslbench")
    ledger, facts = ledger_at(tmp_path), facts_of(tmp_path)
    begin(ledger, job_of())
    errors = []
    for ask in (
        lambda: sync(ledger, uri, facts),
        lambda: reached(uri),
        lambda: pull_from_registry(uri, "m", tmp_path / "best"),
        lambda: serve(uri, tmp_path, port=5123),
    ):
        with pytest.raises(SetupError) as caught:
            ask()
        errors.append(str(caught.value))
    mirror = LiveMirror(ledger, uri, facts, every_seconds=0.05, drain_seconds=3.0)
    with mirror:
        pass
    assert mirror.last_error
    told = "\n".join([*errors, mirror.last_error, caplog.text])
    assert "127.0.0.1" in told
    assert SECRET not in told
    assert not [f for f in tmp_path.rglob("*") if f.is_file() and SECRET in f.read_text("utf-8")]


def test_no_command_line_shows_a_password(tmp_path: Path) -> None:
    assert "://" not in "".join(ui_command(tmp_path, port=5123)).replace("http://", "")


def test_what_an_error_says_of_an_address_is_shown_without_its_password() -> None:
    assert (
        first_line(OSError(f"no answer from http://u:{SECRET}@h/"))
        == "no answer from http://***@h/"
    )


def test_a_long_message_is_cut_to_its_first_line() -> None:
    assert first_line(ValueError("\n  what went wrong \nwhere")) == "what went wrong"
    assert first_line(ValueError()) == "ValueError"


def test_what_a_database_says_is_not_hidden_by_when_it_said_it() -> None:
    said = "(raised as a result of Query-invoked autoflush; …)\n(sqlite3.OperationalError) database is locked\n[SQL: …]"
    assert first_line(ValueError(said)) == "(sqlite3.OperationalError) database is locked"


@pytest.mark.parametrize(
    "text, shown",
    [
        ('File "/home/ann/sslbench/trial.py", line 3', 'File "~/sslbench/trial.py", line 3'),
        ("/home/ann", "~"),
        ("/home/anna/x", "/home/anna/x"),
        ("/backup/home/ann/x", "/backup/home/ann/x"),
        ("file:///home/ann/x", "file://~/x"),
        ("no such file: /home/ann/a.gmt", "no such file: ~/a.gmt"),
    ],
)
def test_where_a_persons_files_lie_is_not_told(
    text: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert without_home(text) == shown
    monkeypatch.setenv("HOME", "/")
    assert without_home(text) == text


def test_a_report_lists_a_failure_without_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    failure = Failure(kind="error", message="OSError: /home/ann/x\nmore", traceback="/home/ann/y")
    record = SimpleNamespace(failure=failure, arm="mae", stage="search")
    (group,) = failure_groups([cast(TrialRecord, record)])
    assert group.message == "OSError: ~/x"


def test_a_report_says_how_a_stale_row_is_renewed_without_the_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    row = StaleRow(
        arm="mae",
        method="mae/mlp",
        protocol="knn",
        test=0.5,
        n_seeds=3,
        reason="other cells",
        refresh="sslbench sweep smoke --home /home/ann/runs --fresh",
        made_with={},
        recipe="r",
        uids=("u",),
    )
    material = SimpleNamespace(board=SimpleNamespace(stale=[row]))
    shown = stale_section(cast(Material, material))
    assert "--home ~/runs --fresh" in shown
    assert "ann" not in shown


def test_mlflow_is_told_of_a_failure_and_of_options_without_the_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    failure = Failure(kind="error", message="OSError: /home/ann/x", traceback="/home/ann/y")
    record = SimpleNamespace(failure=failure, result=None, provenance={}, attempt=1)
    assert "ann" not in str(ended_tags(cast(TrialRecord, record)))
    monkeypatch.setattr(TrialConfig, "flat", lambda _: {"pretext/programmes": "/home/ann/mine.gmt"})
    assert run_params(job_of()) == {"pretext/programmes": "~/mine.gmt"}
