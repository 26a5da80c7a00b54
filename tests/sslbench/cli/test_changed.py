"""Whoever types a sweep again is told in a line if its cells or the code are others than before."""

from __future__ import annotations

from pathlib import Path

from sslbench.cli.changed import changed_code, changed_data
from tests.sslbench.cli.test_earlier import asked, records

NOW = {"sslbench": "0.2.0", "commit": "b" * 40, "dirty": "false"}


def test_other_cells_are_said_with_both_fingerprints_and_folders(tmp_path: Path) -> None:
    asked(tmp_path / "smoke-0", data="0" * 16, at=1)
    asked(tmp_path / "smoke-1", data="1" * 16, at=2)
    now = asked(tmp_path / "smoke-2", data="2" * 16, at=3)
    (line,) = changed_data(tmp_path / "smoke-2", now)
    assert all(word in line for word in ("2" * 16, "1" * 16, "smoke-2", "smoke-1"))


def test_the_same_cells_are_no_news(tmp_path: Path) -> None:
    now = asked(tmp_path / "smoke-1", data="1" * 16, at=1)
    assert list(changed_data(tmp_path / "smoke-1", now)) == []


def test_other_code_is_one_line_that_counts_its_trials(tmp_path: Path) -> None:
    asked(tmp_path / "smoke-1", data="1" * 16, at=1)
    search, confirm = records(tmp_path / "smoke-1")
    old = search.model_copy(update={"provenance": {**NOW, "commit": "a" * 40}})
    new = confirm.model_copy(update={"provenance": NOW})
    (line,) = changed_code([old, new], NOW)
    assert line.startswith("1 of 2 trials were made by other code (sslbench 0.2.0 aaaaaaaa; now")
    assert list(changed_code([new], NOW)) == []
    dirty = {**NOW, "dirty": "true"}
    assert "with changes" in "".join(changed_code([new], dirty))


def test_a_record_that_does_not_say_what_made_it_is_no_news(tmp_path: Path) -> None:
    asked(tmp_path / "smoke-1", data="1" * 16, at=1)
    assert list(changed_code(records(tmp_path / "smoke-1"), NOW)) == []
