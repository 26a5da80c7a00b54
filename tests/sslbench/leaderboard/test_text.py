import csv
import io
from dataclasses import replace

import pytest

from sslbench.leaderboard.ranking import rank_arms
from sslbench.leaderboard.table import difference_text, main_table, protocol_table, trials_text
from sslbench.leaderboard.text import render_csv, render_markdown, to_frame
from tests.sslbench.leaderboard.fake_sweep import MAE, SUPERVISED, FakeSweep, fake_sweep


def ranked(sweep: FakeSweep):
    return rank_arms(sweep.records, sweep.predictions, sweep.facts)


BOARD = ranked(fake_sweep())


def test_the_main_table_has_a_line_for_every_row() -> None:
    table = main_table(BOARD, digits=2)
    assert all(len(row) == len(table.columns) for row in table.rows)
    first = dict(zip([c.title for c in table.columns], table.rows[0]))
    assert first["method"] == "mae/mlp"
    assert first["test macro F1 (95 % CI)"].startswith("0.78 (0.74–")
    assert first["trials"] == "16 (1 failed)"
    assert [row[5] for row in table.rows].count("reference") == 1


def test_a_space_tried_whole_says_all_and_a_short_search_says_of_how_many() -> None:
    pca = BOARD.row("pca")
    assert pca is not None
    assert trials_text(pca.effort) == "4 (all)"
    assert trials_text(replace(pca.effort, n_finished=1, n_stopped=0)) == "1 (of 4!)"


def test_differences_carry_their_sign_and_never_a_signed_zero() -> None:
    row = BOARD.rows[0]
    assert row.difference is not None
    shown = replace(row, difference=replace(row.difference, mean=-0.0001, low=-0.02, high=0.02))
    assert difference_text(shown, digits=2) == "0.00 (−0.02, +0.02)"
    assert difference_text(replace(row, difference=None), digits=2) == "–"


def test_the_protocol_table_shows_a_dash_where_an_arm_has_no_such_protocol() -> None:
    table = protocol_table(BOARD, digits=2)
    assert [c.title for c in table.columns] == ["method", "head", "knn", "linear_probe"]
    assert table.rows[0][1] == "–"
    assert table.rows[1][1] != "–"


def test_scores_of_the_projector_have_columns_of_their_own() -> None:
    validation = {"knn": 0.7, "knn_projector": 0.8}
    arm = replace(MAE, name="byol", protocols=("knn", "knn_projector"), validation=validation)
    board = ranked(fake_sweep([arm, SUPERVISED]))
    byol = board.row("byol")
    assert byol is not None
    assert (
        byol.protocol == "knn"
    )  # only some arms have a projector, and no pulled model gives its output
    table = protocol_table(board, digits=2)
    assert [c.title for c in table.columns] == ["method", "head", "knn", "knn_projector", "linear_probe"]  # fmt: skip
    cells = {row[0]: row[3] for row in table.rows}
    assert not cells["byol/mlp"].endswith(("*", "–"))
    assert cells["supervised/mlp"] == "–"
    frame = to_frame(board).set_index("arm")["test/knn_projector/macro_f1"]
    assert frame["byol"] != byol.test.mean
    assert frame.isna()["supervised"]
    assert "knn_projector" in render_markdown(board, fake_sweep().facts)


def test_collapsed_trials_are_counted_apart_from_failed_ones() -> None:
    effort = replace(BOARD.rows[0].effort, n_finished=9, n_stopped=3, n_collapsed=3, n_failed=1)
    assert trials_text(effort) == "16 (3 collapsed, 1 failed)"
    frame = to_frame(replace(BOARD, rows=(replace(BOARD.rows[0], effort=effort),)))
    assert frame.loc[0, ["trials", "trials_collapsed", "trials_failed"]].tolist() == [16, 3, 1]


def test_the_frame_holds_the_numbers_of_the_rows() -> None:
    frame = to_frame(BOARD)
    assert frame["test_macro_f1"].tolist() == [row.test.mean for row in BOARD.rows]
    assert frame.loc[frame["is_reference"], "difference"].isna().all()
    assert frame.loc[0, "test/knn/macro_f1"] == BOARD.rows[0].test_by_protocol["knn"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_csv_text_that_a_spreadsheet_would_run_is_defused(start: str) -> None:
    board = ranked(fake_sweep([replace(MAE, name=f"{start}cmd()"), SUPERVISED]))
    rows = list(csv.DictReader(io.StringIO(render_csv(board))))
    named = next(row for row in rows if "cmd" in row["arm"])
    assert named["arm"] == f"'{start}cmd()"
    assert named["method"] == f"'{start}cmd()/mlp"


def test_csv_leaves_negative_numbers_alone() -> None:
    rows = list(csv.DictReader(io.StringIO(render_csv(BOARD))))
    pca = next(row for row in rows if row["arm"] == "pca")
    assert float(pca["difference"]) < 0


def test_markdown_has_verdict_tables_stamp_and_failures() -> None:
    text = render_markdown(BOARD, fake_sweep().facts)
    assert f"**{BOARD.verdict}**" in text
    assert "| 1 | mae/mlp | self-supervised | knn |" in text
    assert "_one test donor: says nothing about other donors_" in text
    assert "- 1 × mae (search) diverged: the loss became NaN after 75 updates" in text


def test_markdown_shows_hostile_names_as_they_are() -> None:
    sweep = fake_sweep([replace(MAE, name="<img src=x onerror=alert(1)>|\n*x*"), SUPERVISED])
    text = render_markdown(ranked(sweep), sweep.facts)
    assert "<img" not in text
    assert r"&lt;img src=x onerror=alert(1)&gt;\| \*x\*/mlp" in text


def test_markdown_of_a_sweep_without_rows_is_its_verdict_and_holes() -> None:
    sweep = fake_sweep([MAE])
    text = render_markdown(rank_arms([], {}, sweep.facts), sweep.facts)
    assert "**No verdict: no trial has ended yet.**" in text
    assert "- mae: no search trial finished" in text
