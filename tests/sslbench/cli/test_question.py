"""A question that this version cannot read is named in one line, and stops no command about others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sslbench.cli.changed import changed_data
from sslbench.cli.question import FILE, read_question
from sslbench.errors import SetupError
from tests.sslbench.cli.test_earlier import asked
from tests.sslbench.cli.typed import typed


def damage(file: Path, how: str) -> None:
    """Cut it, make it no text, or let a later version have written its sweep or its cells."""
    if how in ("cut", "no text"):
        file.write_bytes({"cut": b"{", "no text": b"\xff\xfe"}[how])
        return
    question = json.loads(file.read_text(encoding="utf-8"))
    if how == "newer pretext task":
        next(iter(question["spec"]["arms"].values()))["pretext"] = {"name": "of_a_later_version"}
    else:
        question["spec" if how == "newer sweep" else "data"]["of_a_later_version"] = 1
    file.write_text(json.dumps(question), encoding="utf-8")


HOW = pytest.mark.parametrize(
    "how", ["newer sweep", "newer pretext task", "newer cells", "cut", "no text"]
)


@HOW
def test_it_is_refused_with_what_to_do(tmp_path: Path, how: str) -> None:
    asked(tmp_path, data="a", at=1)
    damage(tmp_path / FILE, how)
    with pytest.raises(SetupError, match="cannot be read") as raised:
        read_question(tmp_path)
    assert (raised.value.code, raised.value.where) == ("S011", str(tmp_path / FILE))


@HOW
def test_commands_on_all_sweeps_show_the_others(tmp_path: Path, how: str) -> None:
    asked(tmp_path / "ledger" / "good-1", data="a", at=2)
    asked(tmp_path / "ledger" / "smoke-1", data="a", at=1)
    damage(tmp_path / "ledger" / "smoke-1" / FILE, how)
    shown = typed("status", "--home", str(tmp_path))
    assert shown.code == 0
    assert "good-1: no driver is running" in shown.err
    assert shown.err.count(str(tmp_path / "ledger" / "smoke-1" / FILE)) == 1
    assert typed("leaderboard", "--home", str(tmp_path)).code == 0


@HOW
def test_it_does_not_stop_another_sweep_of_its_name(tmp_path: Path, how: str) -> None:
    asked(tmp_path / "smoke-1", data="old", at=1)
    asked(tmp_path / "smoke-2", data="older", at=0)
    damage(tmp_path / "smoke-2" / FILE, how)
    now = asked(tmp_path / "smoke-3", data="new", at=2)
    (line,) = changed_data(tmp_path / "smoke-3", now)
    assert "smoke-1" in line
