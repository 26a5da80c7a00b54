"""`doctor` looks at everything a sweep needs, in one screen, and ends with 4 if something is missing."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from sslbench.cli import examination
from tests.sslbench.cli.typed import Typed, typed

LOOKED_AT = ("code", "packages", "search", "integration", "processors", "memory", "shared", "results", "scratch", "cache", "mlflow")  # fmt: skip


@pytest.fixture(autouse=True)
def _own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def doctor(home: Path) -> Typed:
    return typed("doctor", "--home", str(home))


def test_everything_is_looked_at_in_one_screen_within_seconds(tmp_path: Path) -> None:
    done = doctor(tmp_path / "home")
    assert done.code == 0, done.err
    for what in LOOKED_AT:
        assert f" {what}" in done.err
    assert len(done.err.splitlines()) <= 24
    assert done.cpu_seconds < 5
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_problem_with_a_fix() -> None:
    done = doctor(Path("/proc/sslbench"))
    assert done.code == 4
    assert "problem  results" in done.err
    assert "fix: choose another folder" in done.err


def test_locks_that_are_refused_are_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    done = doctor(tmp_path)
    assert (done.code, "cannot be locked" in done.err) == (4, True)


def test_what_sweeps_need_is_a_problem_if_missing_and_the_rest_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination, "find_spec", lambda name: None)
    done = doctor(tmp_path)
    assert done.code == 4
    assert "problem  search     without ray, optuna, mlflow" in done.err
    assert "warn     integration" in done.err
    assert "pip install 'sslbench[search]'" in done.err


def test_a_server_that_is_away_is_a_warning_and_its_password_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://u:secret@127.0.0.1:9/db")
    done = doctor(tmp_path)
    assert done.code == 0
    assert "warn     mlflow     postgresql://***@127.0.0.1:9/db" in done.err
    assert "secret" not in done.err
