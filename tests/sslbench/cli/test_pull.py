"""`sslbench pull`: the new model is whole before the old one goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sslbench.cli.places import Home
from sslbench.cli.pull import _taking_its_place, pull_registered
from sslbench.errors import RefusedError, SetupError


def model(folder: Path, name: str) -> Path:
    folder.mkdir()
    (folder / "checkpoint.json").write_text(name)
    return folder


def test_an_earlier_pull_is_replaced_only_if_asked(tmp_path: Path) -> None:
    best = model(tmp_path / "best", "old")
    refused = pytest.raises(RefusedError, match="holds a model already")
    with refused, _taking_its_place(best, force=False) as new:
        model(new, "new")
    assert (best / "checkpoint.json").read_text() == "old"
    with _taking_its_place(best, force=True) as new:
        model(new, "new")
    assert (best / "checkpoint.json").read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["best"]


def test_what_is_no_model_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    refused = pytest.raises(RefusedError, match="no model folder")
    with refused, _taking_its_place(tmp_path / "thesis", force=True) as new:
        model(new, "new")
    assert (tmp_path / "thesis").is_dir()


def test_a_server_that_does_not_answer_costs_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")  # nobody listens there
    best = model(tmp_path / "best", "old")
    with pytest.raises(SetupError):
        pull_registered(Home(tmp_path / "tracking"), model="m", to=best, force=True)
    assert (best / "checkpoint.json").read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["best"]
