"""`sslbench leaderboard` over a whole store, on ledgers of sweeps that never ran."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmarks.made_up_ledger import MadeUp, write_ledgers
from sslbench.cli.board import answer
from sslbench.cli.places import Home
from sslbench.cli.question import asked, write_question
from sslbench.cli.report_seal import FOLDER, current_report
from sslbench.cli.results import show_leaderboards
from sslbench.ledger import ATTEMPT, RESULT, Ledger
from sslbench.results import TrialRecord

FORMS = (".html", ".csv", ".md", ".tex", ".parquet", ".png", ".svg")
SMALL = MadeUp(datasets=("blood", "lung", "gut"), trials=3, seeds=3, cells=150, weights=100)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("home"))
    write_ledgers(home.ledgers, SMALL)
    return home


def test_without_a_name_all_sweeps_are_compared_and_the_page_links_to_the_reports(
    made: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    show_leaderboards(made, None, "table")
    said = capsys.readouterr()
    assert "verdict  in_data · macro F1: " in said.out
    assert "masked/mlp" in said.out
    assert "6 sweeps, 3 data sets, 3 pairs of data set and task" in said.err
    page = (made.reports / "index.html").read_text(encoding="utf-8")
    for sweep in SMALL.sweeps:
        for dataset in SMALL.datasets:
            assert f'href="{sweep}.{dataset}.html"' in page
            assert (made.reports / f"{sweep}.{dataset}.html").is_file()
    assert (made.reports / "index.csv").is_file()
    assert (made.reports / "index.md").is_file()


def test_json_carries_the_sweeps_and_what_they_say_together(
    made: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    show_leaderboards(made, None, "json")
    said = json.loads(capsys.readouterr().out)
    assert len(said["sweeps"]) == 6
    assert said["across"]["sweeps"] == 6
    assert len(said["across"]["scores"]) == 3 * 4  # the untrained encoder is a control
    show_leaderboards(made, "mae_masking", "json")
    named = json.loads(capsys.readouterr().out)
    assert len(named["sweeps"]) == 3
    assert named["across"] is None


def test_only_the_newest_execution_of_a_sweep_on_a_data_set_counts(
    made: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    _, question = asked(made, "mae_masking")[0]
    older = Ledger(made.ledgers / "older")
    older_question = question.model_copy(
        update={"asked_unix_ms": 1, "data": question.data | {"donors_per_split": {"test": ["z"]}}}
    )
    write_question(older, older_question)
    show_leaderboards(made, "mae_masking", "json")
    assert len(json.loads(capsys.readouterr().out)["sweeps"]) == 3
    for file in older.folder.iterdir():
        file.unlink()
    older.folder.rmdir()


# Reports that are not drawn again


@pytest.fixture
def one(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    size = MadeUp(
        datasets=("eye",), sweeps=("mae_masking",), trials=2, seeds=3, cells=80, weights=9
    )
    write_ledgers(home.ledgers, size)
    return home


def drawn(home: Home) -> dict[str, int]:
    """Write the report if it must be; return when each of its files was written."""
    folder, question = asked(home)[0]
    return {
        file.name: file.stat().st_mtime_ns
        for file in current_report(home, answer(folder, question))
    }


def test_a_report_is_left_as_it_is_while_nothing_it_is_made_of_changes(one: Home) -> None:
    first = drawn(one)
    assert set(first) == {f"mae_masking.eye{end}" for end in FORMS}
    assert drawn(one) == first


def _change_a_record(home: Home) -> None:
    file = next(home.ledgers.glob(f"*/trials/*/{ATTEMPT}1/{RESULT}"))
    record = TrialRecord.model_validate_json(file.read_text(encoding="utf-8"))
    again = record.model_copy(update={"ended_unix_ms": record.ended_unix_ms + 1})
    file.write_text(again.model_dump_json(), encoding="utf-8")


def _lose_a_record(home: Home) -> None:
    next(home.ledgers.glob(f"*/trials/*/{ATTEMPT}1/{RESULT}")).unlink()


def _ask_otherwise(home: Home) -> None:
    folder, question = asked(home)[0]
    spec = question.spec | {"question": "Is this another question?"}
    write_question(Ledger(folder), question.model_copy(update={"spec": spec}))


def _edit_the_report(home: Home) -> None:
    (home.reports / "mae_masking.eye.html").write_text("mine", encoding="utf-8")


def _lose_the_picture(home: Home) -> None:
    (home.reports / "mae_masking.eye.png").unlink()


@pytest.mark.parametrize(
    "change",
    [_change_a_record, _lose_a_record, _ask_otherwise, _edit_the_report, _lose_the_picture],
)
def test_a_report_is_drawn_again_when_anything_changed(one: Home, change: object) -> None:
    first = drawn(one)
    assert callable(change)
    change(one)
    again = drawn(one)
    assert set(again) == set(first)
    assert all(again[name] != first[name] for name in first)
    assert drawn(one) == again


@pytest.mark.parametrize(
    "damage", [b"", b"\x00\xff", b"null", b"[]", b'{"made_of": 1}', b'{"files": 5}', b"[" * 5000]
)
def test_a_damaged_seal_does_no_harm(one: Home, damage: bytes) -> None:
    first = drawn(one)
    (one.reports / FOLDER / "mae_masking.eye.json").write_bytes(damage)
    again = drawn(one)
    assert all(again[name] != first[name] for name in first)
    assert drawn(one) == again


def test_a_seal_cannot_lead_out_of_the_reports(one: Home) -> None:
    drawn(one)
    seal = one.reports / FOLDER / "mae_masking.eye.json"
    said = json.loads(seal.read_text(encoding="utf-8"))
    elsewhere = one.folder / "elsewhere.html"
    elsewhere.write_text("x", encoding="utf-8")
    found = os.stat(elsewhere)
    said["files"] = {"../elsewhere.html": [found.st_size, found.st_mtime_ns]}
    seal.write_text(json.dumps(said), encoding="utf-8")
    assert set(drawn(one)) == {f"mae_masking.eye{end}" for end in FORMS}
