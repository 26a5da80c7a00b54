"""Rankings by metrics that are not worked out from predicted labels."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from sslbench.errors import ConfigError, DataError
from sslbench.leaderboard.board import Leaderboard
from sslbench.leaderboard.facts import JudgedTask
from sslbench.leaderboard.report.page import render_html
from sslbench.leaderboard.table import main_table
from sslbench.leaderboard.text import render_csv, render_markdown
from tests.sslbench.leaderboard.fake_sweep import (
    MAE,
    PCA,
    RANDOM_INIT,
    SUPERVISED,
    FakeSweep,
)
from tests.sslbench.leaderboard.fake_tasks import sweep_judged_by, unlabelled, with_scores
from tests.sslbench.leaderboard.report.markup import Structure
from tests.sslbench.leaderboard.test_standard_errors import crossed_interval

PEARSON = "val/cross_modality/pearson_per_feature"
VARIANCE = "val/reconstruction/explained_variance"
TOTAL = "val/integration/total"


def of_donors(sweep: FakeSweep, board: Leaderboard, arm: str) -> np.ndarray:
    """The scores of each seed and donor, (n_seeds, n_donors)."""
    row = board.row(arm)
    assert row is not None
    return np.array([sweep.units[uid][row.protocol] for uid in row.uids])


def recorded(sweep: FakeSweep, board: Leaderboard, arm: str, key: str) -> list[float]:
    row = board.row(arm)
    assert row is not None
    return [r.result.scores[key] for r in sweep.records if r.uid in row.uids and r.result]


def test_scores_of_donors_have_a_t_interval_and_are_paired_by_donor() -> None:
    sweep = sweep_judged_by(PEARSON, donors=tuple("abcd"))
    board = sweep.ranked()
    assert (board.unit, board.metric.words) == ("donors", "Pearson per feature")
    mae, supervised = (of_donors(sweep, board, arm) for arm in ("mae", "supervised"))
    row = board.row("mae")
    assert row is not None
    assert row.difference is not None
    interval = crossed_interval(mae)
    assert (row.test.mean, row.test.low, row.test.high) == pytest.approx((np.mean(mae), *interval))
    paired = crossed_interval(mae - supervised)
    assert (row.difference.low, row.difference.high) == pytest.approx(paired)
    assert row.test_by_protocol["cross_modality"] == pytest.approx(np.mean(mae))
    assert board.stamp.startswith("4 test donors")
    assert "in Pearson per feature (95 % interval" in board.verdict


def test_resamples_of_one_donor_hold_the_noise_of_its_cells_and_the_luck_of_the_seeds() -> None:
    sweep = sweep_judged_by(VARIANCE, donors=("p4",))
    board = sweep.ranked()
    row = board.row("mae")
    assert row is not None
    assert board.unit == "cells"
    assert board.stamp == "one test donor: says nothing about other donors"
    scores = recorded(sweep, board, "mae", "test/reconstruction/explained_variance")
    assert row.test.mean == pytest.approx(np.mean(scores))
    table = np.array([sweep.units[uid]["reconstruction"] for uid in row.uids])
    # variance of the mean: that of resampled cells, and that of the seeds
    variance = table.mean(axis=0).var() + table.mean(axis=1).var(ddof=1) / len(table)
    assert row.test.high - row.test.low == pytest.approx(2 * 1.96 * variance**0.5, rel=0.15)
    assert row.difference is not None
    reach = row.difference.high - row.difference.low
    assert reach < 0.3 * (row.test.high - row.test.low)  # the cells are shared


def test_a_task_without_scores_of_units_has_intervals_over_seeds_and_says_so() -> None:
    sweep = sweep_judged_by(TOTAL, n_units=0)
    board = sweep.ranked()
    mae, supervised = (
        recorded(sweep, board, arm, "test/integration/total") for arm in ("mae", "supervised")
    )
    row = board.row("mae")
    assert row is not None
    assert row.difference is not None
    interval = stats.ttest_1samp(mae, 0.0).confidence_interval(0.95)
    assert (row.test.low, row.test.high) == pytest.approx(tuple(interval))
    paired = stats.ttest_rel(mae, supervised).confidence_interval(0.95)
    assert (row.difference.low, row.difference.high) == pytest.approx(tuple(paired))
    assert board.unit == "seeds"
    assert "over seeds alone" in board.stamp
    assert "on these test cells alone" in board.verdict


def test_seeds_are_paired_by_their_number() -> None:
    fewer = replace(MAE, seeds=(101, 103, 105))
    sweep = sweep_judged_by(TOTAL, [fewer, SUPERVISED], n_units=0)
    board = sweep.ranked()
    key = "test/integration/total"
    mae, supervised = (recorded(sweep, board, arm, key) for arm in ("mae", "supervised"))
    row = board.row("mae")
    assert row is not None
    assert row.difference is not None
    assert row.difference.mean == pytest.approx(np.mean(np.subtract(mae, supervised[::2])))


def test_one_seed_without_units_has_no_interval_and_no_verdict_but_a_page() -> None:
    sweep = sweep_judged_by(TOTAL, [replace(MAE, seeds=(1,)), SUPERVISED], n_units=0)
    board = sweep.ranked()
    row = board.row("mae")
    assert row is not None
    assert not row.test.is_known
    assert "not separable" in board.verdict or "No SSL arm is separable" in board.verdict
    assert any("it has none" in note for note in board.notes)
    cells = main_table(board, digits=2).rows
    assert any("(no interval)" in cell for line in cells for cell in line)
    Structure(render_html(board, sweep.records, sweep.predictions, sweep.facts))


def test_an_arm_whose_units_are_missing_takes_them_from_all() -> None:
    """One unit for the whole table: else arms would not be paired."""
    sweep = sweep_judged_by(PEARSON)
    uids = [uid for uid in sweep.units if uid.startswith("pca")]
    units = {uid: frame for uid, frame in sweep.units.items() if uid not in uids}
    assert FakeSweep(sweep.records, sweep.predictions, sweep.facts, units).ranked().unit == "seeds"


@pytest.mark.parametrize(("kind", "n_units", "n_donors"), [("donors", 3, 2), ("cells", 3, 4)])
def test_units_are_what_their_columns_say_whatever_their_number(
    kind: str, n_units: int, n_donors: int
) -> None:
    donors = tuple("abcd")[:n_donors]
    sweep = sweep_judged_by(PEARSON, donors=donors, n_units=n_units, kind=kind)
    board = sweep.ranked()
    assert board.unit == kind
    assert board.stamp.startswith("3 test donors" if kind == "donors" else "one test donor")


def test_units_of_a_resumed_sweep_may_be_older_than_others_but_not_of_another_kind() -> None:
    new, old = (sweep_judged_by(PEARSON, donors=tuple("abc"), kind=k) for k in ("donors", None))
    wrong = sweep_judged_by(PEARSON, donors=tuple("abc"), kind="cells")
    uids = list(new.units)
    for other, unit in ((old, "donors"), (wrong, "seeds")):
        for later in (uids[:1], [uid for uid in uids if uid.startswith("mae")]):
            units = {**new.units, **{uid: other.units[uid] for uid in later}}
            board = FakeSweep(new.records, new.predictions, new.facts, units).ranked()
            assert board.unit == unit
    assert new.ranked() == old.ranked()


def deterministic(sweep: FakeSweep, *arms: str) -> FakeSweep:
    """The same sweep where every seed of some arms gave the score of the first."""
    key = "test/integration/total"
    records, first = [], {}
    for record in sweep.records:
        if record.arm in arms and record.stage == "confirm":
            assert record.result is not None
            score = first.setdefault(record.arm, record.result.scores[key])
            record = with_scores(record, {key: score})
        records.append(record)
    return FakeSweep(records, sweep.predictions, sweep.facts, sweep.units)


def test_of_two_deterministic_arms_nothing_is_claimed_over_seeds() -> None:
    """Their scores never vary, so their difference seems exact; it says nothing of other cells."""
    sweep = deterministic(sweep_judged_by(TOTAL, [MAE, SUPERVISED], n_units=0), "mae", "supervised")
    board = sweep.ranked()
    for row in board.rows:
        assert not row.test.is_known
        assert row.rank == 1
        assert (row.rank_interval, row.p, row.p_holm) == (None, None, None)
    assert "separable" in board.verdict
    notes = [note for note in board.notes if "no spread over seeds: the arm is determ" in note]
    assert [note.split(":")[0] for note in notes] == [row.arm for row in board.rows]
    assert "(no interval)" in render_markdown(board, sweep.facts)


def test_a_deterministic_arm_is_compared_with_one_whose_seeds_differ() -> None:
    sweep = deterministic(sweep_judged_by(TOTAL, [MAE, SUPERVISED], n_units=0), "supervised")
    row = sweep.ranked().row("mae")
    assert row is not None
    assert row.difference is not None
    assert row.difference.is_known
    fixed = recorded(sweep, sweep.ranked(), "supervised", "test/integration/total")
    varied = recorded(sweep, sweep.ranked(), "mae", "test/integration/total")
    assert row.p == pytest.approx(stats.ttest_rel(varied, fixed).pvalue)


def test_units_of_another_metric_than_the_objective_are_not_used() -> None:
    sweep = sweep_judged_by(PEARSON)
    task = JudgedTask(
        name="cross_modality", metrics={"pooled": "max", "pearson_per_feature": "max"}
    )
    facts = replace(sweep.facts, tasks=(task,))
    assert FakeSweep(sweep.records, sweep.predictions, facts, sweep.units).ranked().unit == "seeds"


def test_totals_of_two_tasks_are_not_mixed() -> None:
    sweep = sweep_judged_by(TOTAL, [MAE, SUPERVISED], n_units=0)
    records = []
    for record in sweep.records:
        if record.result is not None:
            scores = {**record.result.scores, "val/scib/total": 0.99, "test/scib/total": 0.99}
            result = record.result.model_copy(update={"scores": scores})
            record = record.model_copy(update={"result": result})
        records.append(record)
    board = FakeSweep(records, sweep.predictions, sweep.facts).ranked()
    assert board.protocols == ("integration",)


def test_a_metric_that_is_better_when_lower_is_refused() -> None:
    sweep = sweep_judged_by("val/reconstruction/mse")
    task = JudgedTask(name="reconstruction", metrics={"explained_variance": "max", "mse": "min"})
    with pytest.raises(ConfigError, match="better when lower"):
        FakeSweep(sweep.records, sweep.predictions, replace(sweep.facts, tasks=(task,))).ranked()


def test_arms_scored_on_different_cells_are_refused_without_labels_too() -> None:
    sweep = unlabelled(sweep_judged_by(VARIANCE))
    uid = next(iter(sweep.predictions))
    fewer = {**sweep.predictions, uid: sweep.predictions[uid].iloc[1:]}
    with pytest.raises(DataError, match="different test cells"):
        FakeSweep(sweep.records, fewer, sweep.facts, sweep.units).ranked()


def test_every_text_names_the_metric_and_no_other() -> None:
    sweep = sweep_judged_by(VARIANCE, donors=("p4",))
    board = sweep.ranked()
    page = render_html(board, sweep.records, sweep.predictions, sweep.facts)
    Structure(page)
    for text in (page, render_markdown(board, sweep.facts), render_csv(board)):
        assert "macro" not in text.lower()
    assert "test explained variance" in page
    assert "F1 of each cell type" not in page
    assert "takes for what" not in page


def test_negative_scores_and_intervals_keep_their_sign() -> None:
    sweep = sweep_judged_by(VARIANCE, [replace(RANDOM_INIT, accuracy=0.2), SUPERVISED])
    board = sweep.ranked()
    cells = next(line for line in main_table(board, digits=2).rows if "random_init" in line[1])
    assert cells[4].startswith("−0.")
    assert " to " in cells[4]


def test_cells_without_labels_are_ranked_against_label_free_baselines() -> None:
    sweep = unlabelled(sweep_judged_by(VARIANCE, [MAE, PCA, RANDOM_INIT], donors=("p4",)))
    board = sweep.ranked()
    assert (board.reference, board.baseline) == ("pca", "label-free")
    assert [row.arm for row in board.rows] == ["mae", "pca", "random_init"]
    assert board.verdict.startswith("SSL wins by 0.")
    assert "mae/mlp (reconstruction) against pca/linear (reconstruction)" in board.verdict
    page = render_html(board, sweep.records, sweep.predictions, sweep.facts)
    Structure(page)
    assert "Difference to the best label-free arm" in page
    assert "supervised arm" not in page
    assert "vs best label-free" in render_markdown(board, sweep.facts)


def test_a_tie_on_unlabelled_cells_names_their_baseline() -> None:
    twins = [replace(MAE, accuracy=0.78), PCA]
    verdict = unlabelled(sweep_judged_by(VARIANCE, twins)).ranked().verdict
    assert verdict.startswith("No SSL arm is separable from the best label-free baseline")


def test_where_labels_are_not_predicted_a_label_classifier_is_not_the_only_rival() -> None:
    """PCA is far ahead of the supervised arm here: beating that one alone would be no win of SSL."""
    arms = [replace(MAE, accuracy=0.7), replace(PCA, accuracy=0.9), replace(SUPERVISED, accuracy=0.4)]  # fmt: skip
    sweep = sweep_judged_by(VARIANCE, arms, donors=("p4",))
    facts = replace(sweep.facts, of_labels=False)
    board = FakeSweep(sweep.records, sweep.predictions, facts, sweep.units).ranked()
    assert (board.reference, board.baseline) == ("pca", "non-SSL")
    assert board.verdict.startswith("SSL loses by 0.")
    assert "against pca/linear" in board.verdict


def test_where_labels_judge_and_are_not_predicted_an_arm_that_was_told_them_is_no_reference() -> (
    None
):
    """Types are kept apart best by the arm that was trained on them; SSL is compared with what saw as little as it did."""
    arms = [replace(MAE, accuracy=0.8), replace(PCA, accuracy=0.7), replace(SUPERVISED, accuracy=0.95)]  # fmt: skip
    sweep = sweep_judged_by(VARIANCE, arms, donors=("p4",))
    facts = replace(sweep.facts, of_labels=False, judged_by_labels=True)
    board = FakeSweep(sweep.records, sweep.predictions, facts, sweep.units).ranked()
    assert (board.reference, board.baseline) == ("pca", "label-free")
    assert board.rows[0].arm == "supervised"
    assert board.rows[0].difference is not None
    assert board.verdict.startswith("SSL wins by 0.")
    assert "against pca/linear" in board.verdict


def test_a_donor_without_a_score_has_no_difference() -> None:
    sweep = sweep_judged_by(PEARSON)
    units = {
        uid: frame.assign(**{c: frame[c].where(frame.index != 1) for c in frame}) if "pca" in uid else frame
        for uid, frame in sweep.units.items()
    }  # fmt: skip
    board = FakeSweep(sweep.records, sweep.predictions, sweep.facts, units).ranked()
    found = {row.arm: tuple(row.difference_by_donor) for row in board.rows if not row.is_reference}
    assert found["pca"] == ("a", "c")
    assert found["mae"] == ("a", "b", "c")
