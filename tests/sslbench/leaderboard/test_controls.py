"""Controls are rows to read the others by: flagged, in their place by score, and never part of a comparison."""

from dataclasses import replace

import pytest

from sslbench.leaderboard.board import Leaderboard
from sslbench.leaderboard.ranking import rank_arms
from sslbench.leaderboard.report.page import render_html
from sslbench.leaderboard.table import main_table
from sslbench.leaderboard.text import render_markdown, to_frame
from tests.sslbench.leaderboard.fake_sweep import (
    MAE,
    PCA,
    RANDOM_INIT,
    SUPERVISED,
    FakeArm,
    fake_sweep,
)
from tests.sslbench.leaderboard.fake_tasks import sweep_judged_by, unlabelled, with_shares

MAJORITY = FakeArm("majority", "supervised", encoder="linear", accuracy=0.3, n_trials=1, protocols=("head",), is_control=True)  # fmt: skip
ODD = replace(MAJORITY, accuracy=0.99)  # a control that beats everyone, on validation too


def ranked(*arms: FakeArm) -> Leaderboard:
    sweep = fake_sweep(arms)
    return rank_arms(sweep.records, sweep.predictions, sweep.facts)


def test_a_control_has_its_place_by_score_and_a_difference_to_the_reference() -> None:
    board = ranked(MAE, SUPERVISED, MAJORITY, RANDOM_INIT)
    assert [row.arm for row in board.rows][2:] == ["random_init", "majority"]
    assert [row.is_control for row in board.rows] == [False, False, True, True]
    assert board.rows[3].difference is not None
    assert board.rows[3].difference.high < 0


def test_a_control_is_never_the_reference_however_good() -> None:
    board = ranked(MAE, SUPERVISED, ODD)
    assert board.rows[0].arm == "majority"
    assert board.reference == "supervised"


def test_a_control_is_no_part_of_the_verdict() -> None:
    assert ranked(MAE, SUPERVISED, ODD).verdict == ranked(MAE, SUPERVISED).verdict
    missing = ranked(MAE, ODD).verdict
    assert (
        missing == "No verdict: this sweep has no supervised arm, so there is nothing to compare."
    )


def test_where_baselines_of_all_regimes_count_the_untrained_control_still_does_not() -> None:
    variance = "val/reconstruction/explained_variance"
    good = replace(RANDOM_INIT, accuracy=0.95)
    assert (
        sweep_judged_by(variance, [MAE, SUPERVISED, PCA, good]).ranked().reference == "supervised"
    )
    assert unlabelled(sweep_judged_by(variance, [MAE, PCA, good])).ranked().reference == "pca"


def test_a_control_is_not_the_supervised_arm_of_the_label_curve() -> None:
    few = {0.1: {"mae": 0.7, "supervised": 0.5, "majority": 0.9}}
    sweep = with_shares(fake_sweep([MAE, SUPERVISED, replace(ODD, protocols=("knn",))]), few)
    curve = sweep.ranked().label_curve
    assert curve is not None
    assert [point.supervised for point in curve.points] == ["supervised", "supervised"]


def test_every_renderer_says_which_rows_are_controls() -> None:
    sweep = fake_sweep([MAE, SUPERVISED, MAJORITY])
    board = sweep.ranked()
    regimes = [row[2] for row in main_table(board, digits=2).rows]
    assert regimes == ["self-supervised", "supervised", "control"]
    assert "| majority/linear | control |" in render_markdown(board, sweep.facts)
    frame = to_frame(board)
    assert list(frame["is_control"]) == [False, False, True]
    assert list(frame["regime"]) == ["self-supervised", "supervised", "supervised"]
    page = render_html(board, sweep.records, sweep.predictions, sweep.facts)
    assert "<b>majority/linear</b><span>control</span>" in page
    assert page.count('<tr class="control">') == 1


def test_the_picture_of_differences_is_of_rivals_alone() -> None:
    sweep = fake_sweep([MAE, SUPERVISED, MAJORITY])
    page = render_html(sweep.ranked(), sweep.records, sweep.predictions, sweep.facts)
    differences = page.split("<h2>Difference to the best")[1].split("</section>")[0]
    assert "mae/mlp" in differences
    assert "majority" not in differences


@pytest.mark.parametrize(("accuracy", "is_drawn"), [(0.1, False), (0.95, True)])
def test_the_axis_is_drawn_for_rivals_and_a_control_far_below_is_marked_as_lying_left_of_it(
    accuracy: float, is_drawn: bool
) -> None:
    sweep = fake_sweep([MAE, SUPERVISED, RANDOM_INIT, replace(MAJORITY, accuracy=accuracy)])
    board = sweep.ranked()
    drawn = [row.arm for row in board.on_axis]
    assert {"mae", "supervised", "random_init"} <= set(drawn)
    assert ("majority" in drawn) == is_drawn
    page = render_html(board, sweep.records, sweep.predictions, sweep.facts)
    assert page.count("◂") == (0 if is_drawn else 1)
