"""The gain of pretraining at each share of the labels."""

from dataclasses import replace

import numpy as np
import pytest

from sslbench.leaderboard.board import LabelCurve, SharePoint
from sslbench.leaderboard.report.page import render_html
from sslbench.leaderboard.table import label_table
from sslbench.leaderboard.text import render_markdown, to_frame
from sslbench.results import suffix_at
from tests.sslbench.leaderboard.fake_sweep import (
    MAE,
    PCA,
    SUPERVISED,
    FakeSweep,
    fake_sweep,
    reference_macro_f1,
)
from tests.sslbench.leaderboard.fake_tasks import with_shares
from tests.sslbench.leaderboard.report.markup import Structure
from tests.sslbench.leaderboard.test_standard_errors import crossed_interval

DONORS = tuple("abcdefg")
KNN = ("knn",)
ARMS = (
    replace(MAE, accuracy=0.85, protocols=KNN),
    replace(SUPERVISED, accuracy=0.85, protocols=KNN),
    replace(PCA, accuracy=0.7, protocols=KNN),
)
HELPS_AT_FEW = {
    0.05: {"mae": 0.75, "supervised": 0.4, "pca": 0.6},
    0.25: {"mae": 0.8, "supervised": 0.6, "pca": 0.65},
    0.5: {"mae": 0.82, "supervised": 0.82, "pca": 0.7},
}


def helping(**changes) -> FakeSweep:
    return with_shares(fake_sweep(ARMS, donors=DONORS), HELPS_AT_FEW, **changes)


def curve_of(sweep: FakeSweep) -> LabelCurve:
    curve = sweep.ranked().label_curve
    assert curve is not None
    return curve


def at(curve: LabelCurve, share: float) -> SharePoint:
    return next(point for point in curve.points if point.fraction == share)


def of_donors(sweep: FakeSweep, arm: str, column: str) -> np.ndarray:
    """Macro F1 of each of the arm's seeds within each donor, (n_seeds, n_donors)."""
    frames = [frame for uid, frame in sweep.predictions.items() if uid.startswith(f"{arm}-")]
    frames = [frame.assign(**{"predicted/it": frame[column]}) for frame in frames]
    return np.array(
        [[reference_macro_f1(f[f["donor"] == donor], "it") for donor in DONORS] for f in frames]
    )


def test_ssl_helps_at_few_labels_and_not_at_all_labels() -> None:
    sweep = helping()
    curve = curve_of(sweep)
    assert [point.fraction for point in curve.points] == [0.05, 0.25, 0.5, 1.0]
    for point in curve.points:
        column = (
            "predicted/knn" if point.fraction == 1 else f"predicted{suffix_at(point.fraction)}/knn"
        )
        mae, supervised = (of_donors(sweep, arm, column) for arm in ("mae", "supervised"))
        assert (point.ssl, point.supervised) == ("mae", "supervised")
        assert point.gain is not None
        expected = (np.mean(mae - supervised), *crossed_interval(mae - supervised))
        assert (point.gain.mean, point.gain.low, point.gain.high) == pytest.approx(expected)
        arm = point.arm("mae")
        assert arm is not None
        assert arm.test.mean == pytest.approx(np.mean(mae))
    assert [point.gain is not None and point.gain.low > 0 for point in curve.points] == [
        True,
        True,
        False,
        False,
    ]
    assert curve.break_even == 0.5
    assert curve.sentence == (
        "Break-even: at 50 % of the labels (450 labelled training cells) SSL is no longer separably ahead."
    )


def test_the_point_of_all_labels_is_that_of_the_ranking() -> None:
    board = helping().ranked()
    assert board.label_curve is not None
    whole = board.label_curve.points[-1]
    for row in board.rows:
        arm = whole.arm(row.arm)
        assert arm is not None
        assert (arm.test, arm.protocol, arm.validation) == (row.test, row.protocol, row.validation)
    assert whole.gain == next(row for row in board.rows if row.arm == "mae").difference
    assert whole.n_labels == 900


def test_where_ssl_is_ahead_throughout_there_is_no_break_even() -> None:
    strong = [replace(ARMS[0], accuracy=0.95), replace(ARMS[1], accuracy=0.5)]
    shares = {0.1: {"mae": 0.9, "supervised": 0.3}}
    curve = curve_of(with_shares(fake_sweep(strong, donors=DONORS), shares))
    assert curve.break_even is None
    assert curve.sentence.startswith("Break-even: none.")


def test_where_ssl_is_never_ahead_the_smallest_share_says_so() -> None:
    shares = {0.1: {"mae": 0.5, "supervised": 0.5}}
    curve = curve_of(with_shares(fake_sweep(ARMS, donors=DONORS), shares))
    assert curve.break_even == 0.1
    assert "not separably ahead even at 10 %" in curve.sentence


def test_the_best_arm_of_a_share_is_that_of_its_validation_labels_not_of_its_test_scores() -> None:
    second = replace(ARMS[0], name="byol")
    sweep = fake_sweep([*ARMS, second], donors=DONORS)
    shares = {0.1: {"mae": 0.5, "byol": 0.7, "supervised": 0.5}}
    given = with_shares(sweep, shares)
    assert at(curve_of(given), 0.1).ssl == "byol"
    records = []
    for record in given.records:
        if record.arm == "byol" and record.stage == "confirm" and record.result is not None:
            scores = {**record.result.scores, "val/knn/macro_f1_at_10": 0.1}
            result = record.result.model_copy(update={"scores": scores})
            record = record.model_copy(update={"result": result})
        records.append(record)
    worse = FakeSweep(records, given.predictions, given.facts)
    assert at(curve_of(worse), 0.1).ssl == "mae"


def test_shares_that_are_not_there_are_holes_with_their_reason() -> None:
    partial = {0.25: {"mae": 0.8, "supervised": 0.6}}
    sweep = with_shares(
        fake_sweep(ARMS, donors=DONORS),
        partial,
        lost={0.01: ("megakaryocyte", "dendritic"), 0.1: ()},
    )
    curve = curve_of(sweep)
    assert [point.fraction for point in curve.points] == [0.25, 1.0]
    assert curve.holes == (
        "1 % of the labels: none is left of megakaryocyte, dendritic",
        "10 % of the labels: no arm has a score there",
        "25 % of the labels: no score of pca",
    )


def test_without_further_shares_there_is_no_curve() -> None:
    assert fake_sweep(ARMS).ranked().label_curve is None


def test_one_donor_resamples_its_cells_at_each_share() -> None:
    curve = curve_of(with_shares(fake_sweep(ARMS), HELPS_AT_FEW))
    gain = at(curve, 0.05).gain
    assert gain is not None
    assert gain.low > 0
    assert gain.high - gain.low < 0.3


def test_recipes_that_were_not_tuned_at_a_share_are_stamped() -> None:
    assert "tuned at 100 % of the labels and not anew at fewer" in curve_of(helping()).stamp


def retuned() -> FakeSweep:
    """A sweep whose arms were searched anew at 10 %: copies with plain scores, worse than the arms themselves."""
    whole = fake_sweep(ARMS, donors=DONORS)
    weaker = [
        replace(ARMS[0], name="mae_at_10", accuracy=0.75, n_failed=0),
        replace(ARMS[1], name="supervised_at_10", accuracy=0.3),
    ]
    copies = fake_sweep(weaker, donors=DONORS)
    planned = [replace(arm, label_fraction=0.1) for arm in copies.facts.arms]
    share = with_shares(whole, {}, lost={0.1: ()}).facts
    facts = replace(share, arms=(*share.arms, *planned))
    return FakeSweep(
        whole.records + copies.records, {**whole.predictions, **copies.predictions}, facts
    )


def test_arms_searched_anew_at_a_share_are_on_the_curve_and_not_in_the_table() -> None:
    sweep = retuned()
    board = sweep.ranked()
    assert {row.arm for row in board.rows} == {"mae", "supervised", "pca"}
    curve = curve_of(sweep)
    point = at(curve, 0.1)
    assert (point.ssl, point.supervised) == ("mae", "supervised")
    arm = point.arm("mae")
    assert arm is not None
    assert arm.test.mean == pytest.approx(np.mean(of_donors(sweep, "mae_at_10", "predicted/knn")))
    assert "searched anew at each share" in curve.stamp
    page = render_html(board, sweep.records, sweep.predictions, sweep.facts)
    assert "mae_at_10" not in page


def test_table_markdown_frame_and_page_show_the_curve() -> None:
    sweep = helping(lost={0.01: ("B",)})
    board = sweep.ranked()
    assert board.label_curve is not None
    first = label_table(board.label_curve, digits=2).rows[0]
    assert first[:2] == ("5 %", "45")
    assert first[2].endswith("mae (knn)")
    assert first[4].startswith("+0.")
    markdown = render_markdown(board, sweep.facts)
    assert "**Fewer labels.** Break-even: at 50 %" in markdown
    assert "- 1 % of the labels: none is left of B" in markdown
    frame = to_frame(board).set_index("arm")
    arm = at(board.label_curve, 0.25).arm("pca")
    assert arm is not None
    assert frame.loc["pca", "test_at_25_percent"] == arm.test.mean
    page = render_html(board, sweep.records, sweep.predictions, sweep.facts)
    Structure(page)
    section = page[page.index("<h2>With fewer labels</h2>") :]
    section = section[: section.index("</section>")]
    assert section.count("<svg") == 2
    assert "hole — 1 % of the labels: none is left of B" in section
    assert "How to read:" in section
