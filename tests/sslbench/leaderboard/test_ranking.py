from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sslbench.errors import DataError
from sslbench.leaderboard.board import Leaderboard, Row
from sslbench.leaderboard.ranking import rank_arms
from sslbench.results import Failure, TrialRecord
from tests.sslbench.leaderboard.fake_sweep import (
    ARMS,
    MAE,
    PCA,
    RANDOM_INIT,
    SUPERVISED,
    FakeArm,
    FakeSweep,
    fake_sweep,
    reference_macro_f1,
)
from tests.sslbench.leaderboard.fake_tasks import sweep_judged_by


def ranked(sweep: FakeSweep) -> Leaderboard:
    return rank_arms(sweep.records, sweep.predictions, sweep.facts)


def with_other_test_cells(sweep: FakeSweep) -> FakeSweep:
    """The same sweep, its test predictions shuffled and its test scores recomputed."""
    generator = np.random.default_rng(1)
    predictions = {}
    for uid, frame in sweep.predictions.items():
        columns = [c for c in frame.columns if c.startswith("predicted/")]
        shuffled = {c: generator.permutation(frame[c].to_numpy()) for c in columns}
        predictions[uid] = frame.assign(**shuffled)
    records = []
    for record in sweep.records:
        if record.uid in predictions and record.result is not None:
            scores = {
                key: reference_macro_f1(predictions[record.uid], key.split("/")[1])
                if key.startswith("test/")
                else value
                for key, value in record.result.scores.items()
            }
            result = record.result.model_copy(update={"scores": scores})
            record = record.model_copy(update={"result": result})
        records.append(record)
    return FakeSweep(records, predictions, sweep.facts)


def test_rows_hold_the_means_of_the_recorded_test_scores_best_first() -> None:
    sweep = fake_sweep()
    board = ranked(sweep)
    assert [row.arm for row in board.rows][-1] == "random_init"
    assert [row.test.mean for row in board.rows] == sorted(
        (row.test.mean for row in board.rows), reverse=True
    )
    for row in board.rows:
        for protocol, mean in row.test_by_protocol.items():
            recorded = [
                r.result.scores[f"test/{protocol}/macro_f1"]
                for r in sweep.records
                if r.uid in row.uids and r.result
            ]
            assert mean == pytest.approx(np.mean(recorded))
        assert row.test.mean == row.test_by_protocol[row.protocol]


def test_no_choice_reads_a_test_score() -> None:
    sweep = fake_sweep()
    before, after = ranked(sweep), ranked(with_other_test_cells(sweep))
    assert max(row.test.mean for row in after.rows) < 0.5  # the test scores did change
    for row in before.rows:
        other = after.row(row.arm)
        assert other is not None
        assert (row.recipe, row.protocol, row.validation, row.is_reference) == (
            other.recipe,
            other.protocol,
            other.validation,
            other.is_reference,
        )
    assert before.reference == after.reference == "supervised"


def test_a_row_does_not_depend_on_which_other_arms_are_in_the_table() -> None:
    alone, among = ranked(fake_sweep([MAE])).rows[0], ranked(fake_sweep()).row("mae")
    assert among is not None
    assert (alone.protocol, alone.test) == (among.protocol, among.test)


@pytest.mark.parametrize("objective", [None, "val/cross_modality/pearson_per_feature"])
@pytest.mark.parametrize("donors", [("p4",), ("a", "b", "c")])
def test_without_an_arm_every_other_row_is_the_same_to_the_bit(
    objective: str | None, donors: tuple[str, ...]
) -> None:
    """All but what speaks of the whole table: the rank, its places, and p adjusted for the number of arms."""
    seeds = (1, 2, 3, 4, 5, 6, 7, 8, 9)
    arms = [replace(MAE, seeds=seeds), SUPERVISED, replace(PCA, seeds=(101, 103, 7)), RANDOM_INIT]

    def rows_of(some: list[FakeArm]) -> dict[str, Row]:
        sweep = (
            fake_sweep(some, donors=donors)
            if objective is None
            else sweep_judged_by(objective, some, donors=donors)
        )
        return {
            row.arm: replace(row, rank=0, rank_interval=None, p_holm=None)
            for row in sweep.ranked().rows
        }

    whole = rows_of(arms)
    assert sum(row.difference is not None and row.p is not None for row in whole.values()) == 2
    for left_out in ("mae", "pca", "random_init"):
        fewer = rows_of([arm for arm in arms if arm.name != left_out])
        assert fewer == {arm: row for arm, row in whole.items() if arm != left_out}


def test_arms_with_identical_predictions_share_a_rank_and_differ_by_nothing() -> None:
    sweep = fake_sweep([SUPERVISED])
    twin = [
        r.model_copy(
            update={
                "arm": "twin",
                "uid": f"twin-{r.uid}",
                "result": r.result and r.result.model_copy(update={"regime": "self-supervised"}),
            }
        )
        for r in sweep.records
    ]
    frames = {**sweep.predictions, **{f"twin-{uid}": f for uid, f in sweep.predictions.items()}}
    board = rank_arms([*sweep.records, *twin], frames, sweep.facts)
    twin_row = board.row("twin")
    assert twin_row is not None
    assert twin_row.difference is not None
    assert (twin_row.difference.low, twin_row.difference.mean, twin_row.difference.high) == (
        0,
        0,
        0,
    )
    assert [row.rank for row in board.rows] == [1, 1]
    assert board.verdict.startswith("No SSL arm is separable")


def test_separable_arms_have_their_own_ranks_and_skip_shared_ones() -> None:
    board = ranked(fake_sweep())
    assert [(row.arm, row.rank) for row in board.rows] == [
        ("mae", 1),
        ("supervised", 1),
        ("pca", 1),
        ("random_init", 4),
    ]


def test_the_reference_is_the_supervised_arm_that_is_best_by_validation_not_by_test() -> None:
    good_on_test = replace(
        SUPERVISED,
        name="lucky",
        accuracy=0.9,
        validation={"knn": 0.1, "head": 0.2, "linear_probe": 0.1},
    )
    good_on_validation = replace(
        SUPERVISED,
        name="solid",
        accuracy=0.7,
        validation={"knn": 0.9, "head": 0.8, "linear_probe": 0.8},
    )
    board = ranked(fake_sweep([good_on_test, good_on_validation, MAE]))
    assert board.rows[0].arm == "lucky"
    assert board.reference == "solid"
    solid = board.row("solid")
    assert solid is not None
    assert solid.is_reference
    assert solid.difference is None


def test_an_arm_without_confirm_trials_is_a_hole_and_not_a_row() -> None:
    sweep = fake_sweep()
    records = [r for r in sweep.records if not (r.arm == "pca" and r.stage == "confirm")]
    board = rank_arms(records, sweep.predictions, sweep.facts)
    assert board.row("pca") is None
    assert any(hole.startswith("pca: no confirm trial") for hole in board.holes)


def test_too_few_confirmed_seeds_are_a_hole() -> None:
    board = ranked(fake_sweep([replace(MAE, seeds=(1, 2, 3, 4)), SUPERVISED]))
    assert "mae: confirmed on 4 of 5 seeds" in board.holes


def test_one_seed_has_an_interval_of_cells_and_a_note_that_says_so() -> None:
    board = ranked(fake_sweep([replace(MAE, seeds=(1,)), SUPERVISED]))
    row = board.row("mae")
    assert row is not None
    assert row.test.low < row.test.mean < row.test.high
    assert any("one seed" in note for note in board.notes)


def test_an_arm_searched_less_than_planned_is_flagged_but_an_exhausted_space_is_not() -> None:
    sweep = fake_sweep()
    cut = [r for r in sweep.records if not (r.arm == "mae" and r.uid in ("mae-1", "mae-2"))]
    board = rank_arms(cut, sweep.predictions, sweep.facts)
    flagged = [note for note in board.notes if "planned trials" in note]
    assert flagged == ["mae: searched 14 of 16 planned trials, so the budgets are not equal"]


def test_a_second_opened_recipe_is_noted() -> None:
    sweep = fake_sweep([PCA])
    old = [
        r.model_copy(update={"uid": f"old-{r.uid}", "recipe": "older"})
        for r in sweep.records
        if r.stage == "confirm"
    ]
    board = rank_arms([*sweep.records, *old], sweep.predictions, sweep.facts)
    assert any("pca: test opened 2 times" in note for note in board.notes)


def test_an_arm_that_is_judged_by_another_protocol_than_chose_its_recipe_is_noted() -> None:
    probed = replace(MAE, validation={"knn": 0.6, "linear_probe": 0.9})
    (note,) = [n for n in ranked(fake_sweep([probed, SUPERVISED])).notes if "recipes chosen" in n]
    assert "mae (by knn)" in note
    steady = replace(MAE, validation={"knn": 0.9, "linear_probe": 0.6})
    notes = ranked(fake_sweep([steady, SUPERVISED])).notes
    assert not [n for n in notes if "mae (by" in n]


def test_one_test_donor_no_donors_and_several_donors_are_stamped() -> None:
    assert ranked(fake_sweep()).stamp == "one test donor: says nothing about other donors"
    assert ranked(fake_sweep(donors=("",))).stamp.startswith("split by cells")
    several = ranked(fake_sweep(donors=("a", "b", "c")))
    assert several.stamp.startswith("3 test donors: intervals are over donors, no claim beyond")
    assert several.unit == "donors"


def test_several_donors_make_the_donor_the_unit_of_mean_and_interval() -> None:
    sweep = fake_sweep(donors=("a", "b", "c", "d", "e", "f", "g"))
    board = ranked(sweep)
    row = board.rows[0]
    frames = [sweep.predictions[uid] for uid in row.uids]
    slow = [
        np.mean([reference_macro_f1(f[f["donor"] == donor], row.protocol) for f in frames])
        for donor in "abcdefg"
    ]
    assert row.test.mean == pytest.approx(np.mean(slow))
    assert board.stamp == "7 test donors: intervals are over donors"


def test_when_all_trials_failed_there_are_no_rows_but_the_distinct_errors() -> None:
    sweep = fake_sweep([MAE, RANDOM_INIT])
    failed = [
        r.model_copy(
            update={
                "outcome": "failed",
                "result": None,
                "objective_value": None,
                "failure": Failure(kind="oom", message="out of memory\nTraceback"),
            }
        )
        for r in sweep.records
        if r.stage == "search"
    ]
    board = rank_arms(failed, {}, sweep.facts)
    assert board.rows == ()
    assert board.verdict == "No verdict: every trial failed (17 of 17)."
    assert [(g.arm, g.kind, g.message, g.n_trials) for g in board.failures] == [
        ("mae", "oom", "out of memory", 16),
        ("random_init", "oom", "out of memory", 1),
    ]
    assert len(board.holes) == 2


def collapsed(record: TrialRecord, rank: float) -> TrialRecord:
    failure = Failure(kind="collapsed", message=f"CollapsedError: too few\nrank {rank}")
    return record.model_copy(update={"outcome": "failed", "result": None, "failure": failure})


def test_collapsed_trials_are_listed_under_their_own_kind_whatever_their_numbers() -> None:
    sweep = fake_sweep([replace(MAE, n_failed=0)])
    stopped = [r.uid for r in sweep.records if r.outcome == "stopped"]
    records = [collapsed(r, stopped.index(r.uid)) if r.uid in stopped else r for r in sweep.records]
    board = rank_arms(records, sweep.predictions, sweep.facts)
    (row,) = board.rows
    assert (row.effort.n_collapsed, row.effort.n_failed, row.effort.n_trials) == (3, 0, 16)
    assert [(g.arm, g.kind, g.message, g.n_trials) for g in board.failures] == [
        ("mae", "collapsed", "CollapsedError: too few", 3)
    ]


def test_an_arm_of_which_every_trial_collapsed_is_a_hole() -> None:
    sweep = fake_sweep([MAE, SUPERVISED])
    records = [
        collapsed(r, 1.0) if r.arm == "mae" else r
        for r in sweep.records
        if (r.arm, r.stage) != ("mae", "confirm")
    ]
    board = rank_arms(records, sweep.predictions, sweep.facts)
    assert [row.arm for row in board.rows] == ["supervised"]
    assert "mae: all 16 search trials collapsed, so no recipe was confirmed" in board.holes
    assert board.verdict.startswith("No verdict: no self-supervised arm was confirmed")


def test_no_records_at_all_is_said() -> None:
    board = rank_arms([], {}, fake_sweep().facts)
    assert board.verdict == "No verdict: no trial has ended yet."


def test_the_effort_counts_every_ended_search_trial_and_its_wall_time() -> None:
    effort = ranked(fake_sweep([MAE])).rows[0].effort
    assert (effort.n_trials, effort.n_failed, effort.n_stopped) == (16, 1, 3)
    assert effort.seconds == pytest.approx(16 * 3.8)


def test_the_order_of_records_and_of_rows_of_predictions_changes_nothing() -> None:
    sweep = fake_sweep()
    shuffled = {
        uid: frame.sample(frac=1.0, random_state=3) for uid, frame in sweep.predictions.items()
    }
    assert rank_arms(sweep.records[::-1], shuffled, sweep.facts) == ranked(sweep)


def test_arms_scored_on_different_cells_are_refused() -> None:
    sweep = fake_sweep()
    uid = next(iter(sweep.predictions))
    fewer = {**sweep.predictions, uid: sweep.predictions[uid].iloc[1:]}
    with pytest.raises(DataError, match="different test cells"):
        rank_arms(sweep.records, fewer, sweep.facts)


def test_a_recorded_score_that_its_predictions_do_not_give_is_refused() -> None:
    sweep = fake_sweep([PCA])
    uid = next(iter(sweep.predictions))
    frame = sweep.predictions[uid]
    wrong = {**sweep.predictions, uid: frame.assign(**{"predicted/knn": frame["label"].clip(0)})}
    with pytest.raises(DataError, match="not what its own predictions give"):
        rank_arms(sweep.records, wrong, sweep.facts)


def test_a_cell_that_is_predicted_twice_is_refused() -> None:
    sweep = fake_sweep([PCA])
    uid = next(iter(sweep.predictions))
    frame = sweep.predictions[uid]
    doubled = {**sweep.predictions, uid: pd.concat([frame, frame.iloc[:1]])}
    with pytest.raises(DataError, match="hold a cell twice"):
        rank_arms(sweep.records, doubled, sweep.facts)


def test_test_cells_without_any_label_are_refused() -> None:
    sweep = fake_sweep([PCA])
    unlabelled = {uid: f.assign(label=-1) for uid, f in sweep.predictions.items()}
    with pytest.raises(DataError, match="no test cell has a label"):
        rank_arms(sweep.records, unlabelled, sweep.facts)


def test_all_planned_arms_have_a_row() -> None:
    assert {row.arm for row in ranked(fake_sweep()).rows} == {arm.name for arm in ARMS}


def test_the_difference_of_each_donor_is_that_of_its_own_cells() -> None:
    sweep = fake_sweep(donors=("b", "a", "c"))
    board = sweep.ranked()
    reference = board.row(board.reference or "")
    assert reference is not None
    for row in board.rows:
        if row.is_reference:
            assert row.difference_by_donor == {}
            continue
        assert list(row.difference_by_donor) == ["a", "b", "c"]
        for donor, difference in row.difference_by_donor.items():
            means = []
            for of in (row, reference):
                frames = [sweep.predictions[uid] for uid in of.uids]
                own = [frame[frame["donor"] == donor] for frame in frames]
                means.append(np.mean([reference_macro_f1(frame, of.protocol) for frame in own]))
            assert difference == pytest.approx(means[0] - means[1])
        assert row.difference is not None
        assert row.difference.mean == pytest.approx(np.mean([*row.difference_by_donor.values()]))


def test_intervals_over_cells_have_no_difference_of_single_donors() -> None:
    assert all(row.difference_by_donor == {} for row in fake_sweep().ranked().rows)
