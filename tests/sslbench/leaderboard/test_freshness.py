"""Trials of other data or of another version of a task are shown, but neither ranked nor compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sslbench.leaderboard.freshness import made_with, parted, stale_line
from sslbench.leaderboard.report.page import render_html
from sslbench.leaderboard.text import render_csv, render_markdown, to_frame
from sslbench.results import TrialRecord
from tests.sslbench.leaderboard.fake_sweep import MAE, PCA, SUPERVISED, FakeSweep, fake_sweep

SWEEP = fake_sweep([MAE, SUPERVISED, PCA])
BOARD = SWEEP.ranked()
OTHER = {
    "data": {"data_fingerprint": "0000111122223333"},
    "task": {"metric_versions": {"knn": "1"}},
    "package": {"metric_versions": {"scib": "1 with scib-metrics 0.5.3"}},
}
SAID = {
    "data": "data 0000111122223333 (now a1b2c3d4e5f60718)",
    "task": "knn 1 (now 2)",
    "package": "scib 1 with scib-metrics 0.5.3 (now 1 with scib-metrics 0.5.4)",
}
NOW = {"knn": "2", "scib": "1 with scib-metrics 0.5.4"}
EACH_KIND = pytest.mark.parametrize("kind", list(OTHER))


def changed(sweep: FakeSweep, which: Callable[[TrialRecord], bool], **parts: object) -> FakeSweep:
    """The sweep with some records changed, and what is present said."""
    records = [r.model_copy(update=parts) if which(r) else r for r in sweep.records]
    facts = replace(sweep.facts, data_fingerprint="a1b2c3d4e5f60718", metric_versions=NOW)
    return FakeSweep(records, sweep.predictions, facts, sweep.units)


def without(sweep: FakeSweep, arm: str) -> FakeSweep:
    return FakeSweep([r for r in sweep.records if r.arm != arm], sweep.predictions, sweep.facts)


@EACH_KIND
def test_a_stale_arm_is_listed_and_changes_nothing_of_the_ranking(kind: str) -> None:
    board = changed(SWEEP, lambda r: r.arm == "mae", **OTHER[kind]).ranked()
    alone = without(SWEEP, "mae").ranked()
    assert [r.arm for r in board.rows] == [r.arm for r in alone.rows]
    for row in board.rows:
        other = alone.row(row.arm)
        assert other is not None
        assert (row.test, row.difference, row.rank) == (other.test, other.difference, other.rank)
    (stale,) = board.stale
    assert (stale.arm, stale.n_seeds, stale.reason) == ("mae", 5, SAID[kind])
    assert stale.refresh == "sslbench sweep mae_masking --fresh"
    assert stale.test == pytest.approx(BOARD.row("mae").test_by_protocol["knn"])
    assert not [hole for hole in board.holes if hole.startswith("mae:")]


@EACH_KIND
def test_a_stale_arm_is_never_the_reference_and_gives_no_verdict(kind: str) -> None:
    assert BOARD.reference == "supervised"
    board = changed(SWEEP, lambda r: r.arm == "supervised", **OTHER[kind]).ranked()
    assert board.reference is None
    assert all(row.difference is None for row in board.rows)
    assert board.verdict.startswith("No verdict")


@EACH_KIND
def test_where_all_is_stale_there_is_no_verdict_and_every_arm_is_listed(kind: str) -> None:
    board = changed(SWEEP, lambda r: True, **OTHER[kind]).ranked()
    assert board.rows == ()
    assert [row.arm for row in board.stale] == ["mae", "pca", "supervised"]
    n = len(SWEEP.records)
    assert board.verdict == (
        f"No verdict: no arm has a row under the present versions ({n} trials are stale)."
    )


def test_records_that_say_nothing_of_versions_are_compared_as_before() -> None:
    board = changed(SWEEP, lambda r: False).ranked()
    assert board.stale == ()
    assert [(r.arm, r.rank, r.test) for r in board.rows] == [
        (r.arm, r.rank, r.test) for r in BOARD.rows
    ]


def test_without_knowledge_of_the_present_the_newest_trial_is_the_present() -> None:
    records = [
        r.model_copy(update={"data_fingerprint": "0000111122223333"}) if r.arm == "pca" else r
        for r in SWEEP.records
    ]
    newest = max(records, key=lambda r: r.ended_unix_ms)
    fresh = parted(records, SWEEP.facts).fresh
    assert {r.data_fingerprint for r in fresh} == {newest.data_fingerprint}


def test_only_the_stale_trials_of_an_arm_are_left_out_and_no_renewal_is_asked_for_its_row() -> None:
    old = [
        r.model_copy(update={"uid": f"old-{r.uid}", "metric_versions": {"knn": "1"}})
        for r in SWEEP.records
        if r.arm == "mae"
    ]
    both = FakeSweep([*SWEEP.records, *old], SWEEP.predictions, SWEEP.facts)
    board = changed(both, lambda r: False).ranked()
    assert [(r.arm, r.test, r.effort) for r in board.rows] == [
        (r.arm, r.test, r.effort) for r in BOARD.rows
    ]
    (stale,) = board.stale
    assert stale.refresh == ""
    assert board.stale_uids == {r.uid for r in old}
    assert stale_line(stale, digits=2).endswith("its row above is of the present versions")


def test_the_command_of_the_sweep_is_what_renews_it() -> None:
    facts = replace(SWEEP.facts, command="sslbench sweep mae_masking --data my.yaml")
    assert facts.refresh_command == "sslbench sweep mae_masking --data my.yaml --fresh"


def test_stale_rows_are_in_table_markdown_and_report_with_reason_and_command() -> None:
    sweep = changed(SWEEP, lambda r: r.arm == "mae", metric_versions={"knn": "1"})
    board = sweep.ranked()
    frame = to_frame(board).set_index("arm")
    assert frame["status"].to_dict() == {"supervised": "ranked", "pca": "ranked", "mae": "stale"}
    assert frame.loc["mae", "stale_because"] == "knn 1 (now 2)"
    assert frame["rank"].isna()["mae"]
    markdown = render_markdown(board, sweep.facts)
    page = render_html(board, sweep.records, sweep.predictions, sweep.facts)
    for text in (markdown, page):
        assert "knn 1 (now 2)" in text
        assert "sslbench sweep mae_masking --fresh" in text
    assert page.count("mae/mlp") == 1  # no figure shows it


def test_a_row_says_what_it_stands_on() -> None:
    made = {"commit": "0123abc", "dirty": "false", "sslbench": "0.1.0"}
    parts = {"provenance": made, "metric_versions": {"knn": "2", "linear_probe": "1"}}
    sweep = changed(SWEEP, lambda r: r.arm == "mae", **parts)
    line = to_frame(sweep.ranked()).set_index("arm").loc["mae"]
    assert line["data_fingerprint"] == "a1b2c3d4e5f60718"
    assert line["recipe"] == BOARD.row("mae").recipe
    assert (line["commit"], line["dirty"], line["code_version"]) == ("0123abc", "false", "0.1.0")
    assert line["metric_versions"] == "knn 2, linear_probe 1"
    assert "0123abc" in render_csv(sweep.ranked())
    page = render_html(sweep.ranked(), sweep.records, sweep.predictions, sweep.facts)
    assert "commit 0123abc" in page
    assert "tasks knn 2, linear_probe 1" in page


def test_a_row_of_two_commits_names_both() -> None:
    records = [
        r.model_copy(update={"provenance": {"commit": c}})
        for r, c in zip(SWEEP.records, ("aaa", "bbb", "aaa"))
    ]
    assert made_with(records)["commit"] == "aaa, then bbb"
