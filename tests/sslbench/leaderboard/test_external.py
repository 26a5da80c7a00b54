"""Embeddings made elsewhere stand beside the ranking and change nothing of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sslbench.leaderboard.board import Leaderboard
from sslbench.leaderboard.external import External
from sslbench.leaderboard.ranking import rank_arms
from sslbench.leaderboard.report.page import render_html
from sslbench.leaderboard.statistics import seed_scores
from sslbench.leaderboard.table import main_table, protocol_table
from sslbench.leaderboard.text import render_markdown, to_frame
from tests.sslbench.leaderboard.fake_sweep import (
    ARMS,
    SUPERVISED,
    FakeArm,
    FakeSweep,
    fake_sweep,
    reference_macro_f1,
)

SWEEP = fake_sweep()
ALONE = SWEEP.ranked()
STRONG = FakeArm("scGPT", "untrained", encoder="X_scGPT", accuracy=0.99, seeds=(0,))
WEAK = replace(STRONG, name="old", accuracy=0.3)


def external(arm: FakeArm, *, saw: str = "unknown", donors: tuple[str, ...] = ("p4",)) -> External:
    made = fake_sweep([arm], donors=donors)
    (record,) = (r for r in made.records if r.stage == "confirm")
    return External(
        record=record,
        obsm=arm.encoder,
        saw_dataset=saw,
        command=f"sslbench score my.h5ad --obsm X_scGPT --name {arm.name}",
        predictions=made.predictions[record.uid],
    )


def beside(*externals: External, sweep: FakeSweep = SWEEP) -> Leaderboard:
    return rank_arms(sweep.records, sweep.predictions, sweep.facts, externals=externals)


def test_the_ranking_is_the_same_with_and_without_it() -> None:
    board = beside(external(STRONG), external(WEAK))
    assert board.rows == ALONE.rows
    assert (board.verdict, board.reference) == (ALONE.verdict, ALONE.reference)
    assert [row.name for row in board.external] == ["scGPT", "old"]
    assert board.external[0].test.mean > max(row.test.mean for row in board.rows)


def test_its_score_is_that_of_its_predictions_and_its_difference_is_to_the_reference() -> None:
    given = external(STRONG)
    (row,) = beside(given).external
    best = ALONE.row("supervised")
    assert best is not None
    assert row.test.mean == pytest.approx(reference_macro_f1(given.predictions, row.protocol))
    assert row.difference is not None
    assert row.difference.mean == pytest.approx(row.test.mean - best.test.mean)
    assert not row.difference.spans_zero


def test_its_interval_is_over_cells_alone() -> None:
    given = external(WEAK)
    (row,) = beside(given).external
    frame = given.predictions[given.predictions["label"] >= 0]
    label, predicted = frame["label"].to_numpy(), frame[f"predicted/{row.protocol}"].to_numpy()
    # the plain bootstrap: resample the cells of each label, score, take the central 95 %
    generator, draws = np.random.default_rng(0), []
    for _ in range(400):
        drawn = [
            generator.choice(np.flatnonzero(label == c), (label == c).sum()) for c in set(label)
        ]
        at = np.concatenate(drawn)
        draws.append(float(seed_scores(label[at], predicted[None, at])[0]))
    low, high = np.quantile(draws, [0.025, 0.975])
    assert row.test.high - row.test.low == pytest.approx(high - low, rel=0.15)


def test_of_several_donors_the_interval_is_over_donors() -> None:
    donors = ("p1", "p2", "p3", "p4")
    sweep = fake_sweep(donors=donors)
    board = beside(external(STRONG, donors=donors), sweep=sweep)
    assert board.unit == "donors"
    assert board.external[0].test.is_known
    assert board.rows == sweep.ranked().rows


def test_it_is_shown_as_external_without_rank_seeds_and_trials() -> None:
    board = beside(external(STRONG, saw="yes"))
    table = main_table(board, digits=2)
    shown = dict(zip([c.title for c in table.columns], table.rows[-1], strict=True))
    assert shown["regime"] == "external"
    assert shown["method"] == "scGPT/X_scGPT"
    assert [shown[c] for c in ("#", "seeds", "trials", "seconds")] == ["–"] * 4
    assert protocol_table(board, digits=2).rows[-1][0] == "scGPT/X_scGPT"
    line = to_frame(board).set_index("arm").loc["scGPT"]
    assert (line["status"], line["saw_dataset"], line["regime"]) == ("external", "yes", "external")
    assert not line["is_reference"]
    for text in (
        render_markdown(board, SWEEP.facts),
        render_html(board, SWEEP.records, SWEEP.predictions, SWEEP.facts),
    ):
        assert "scGPT/X_scGPT" in text


@pytest.mark.parametrize("saw", ["yes", "no", "unknown"])
def test_the_notes_say_whether_it_saw_the_data_set(saw: str) -> None:
    notes = beside(external(STRONG, saw=saw)).notes
    assert any(f"scGPT (saw_dataset: {saw})" in note for note in notes)
    assert any("no rank" in note for note in notes)
    assert not any("external" in note for note in ALONE.notes)


@pytest.mark.parametrize("parts, reason", [
    ({"data_fingerprint": "older"}, "data older (now a1b2c3d4e5f60718)"),
    ({"metric_versions": {"knn": "1"}}, "knn 1 (now 2)"),
])  # fmt: skip
def test_one_that_is_stale_is_listed_with_the_command_that_scores_it_again(
    parts: dict[str, object], reason: str
) -> None:
    facts = replace(SWEEP.facts, data_fingerprint="a1b2c3d4e5f60718", metric_versions={"knn": "2"})
    given = external(STRONG)
    given = replace(given, record=given.record.model_copy(update=parts))
    board = rank_arms(SWEEP.records, SWEEP.predictions, facts, externals=[given])
    assert board.external == ()
    (stale,) = board.stale
    assert (stale.arm, stale.reason) == ("scGPT", reason)
    assert stale.refresh == "sslbench score my.h5ad --obsm X_scGPT --name scGPT --force"


def test_without_a_confirmed_arm_it_stands_alone_and_gives_no_verdict() -> None:
    board = rank_arms([], {}, SWEEP.facts, externals=[external(STRONG)])
    assert board.rows == ()
    assert board.verdict.startswith("No verdict")
    (row,) = board.external
    assert row.difference is None
    assert board.protocols == ("knn", "linear_probe")


def test_one_without_a_score_of_the_ranking_metric_is_a_hole() -> None:
    facts = replace(
        SWEEP.facts, objective="val/cross_modality/pearson_per_feature", of_labels=False
    )
    board = rank_arms([], {}, facts, externals=[external(STRONG)])
    assert board.external == ()
    assert "scGPT: external, and not scored by Pearson per feature" in board.holes


def test_its_row_does_not_depend_on_other_arms_than_the_reference() -> None:
    few = fake_sweep([SUPERVISED, *[arm for arm in ARMS if arm.name == "mae"]])
    assert beside(external(STRONG)).external == beside(external(STRONG), sweep=few).external
