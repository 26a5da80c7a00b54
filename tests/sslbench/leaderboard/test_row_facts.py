"""What a row says beside its score: p of its difference, what tuning brought, whether its effort was equal."""

from dataclasses import replace

import numpy as np

from sslbench.leaderboard.board import Leaderboard
from sslbench.leaderboard.intervals import bootstrap_difference
from sslbench.leaderboard.ranking import rank_arms
from sslbench.leaderboard.significance import holm
from sslbench.leaderboard.statistics import cell_scores
from tests.sslbench.leaderboard.fake_sweep import ARMS, MAE, SUPERVISED, FakeSweep, fake_sweep


def ranked(sweep: FakeSweep) -> Leaderboard:
    return rank_arms(sweep.records, sweep.predictions, sweep.facts)


def test_p_is_adjusted_for_the_arms_of_other_regimes_than_the_references() -> None:
    second = replace(SUPERVISED, name="second", accuracy=0.7)
    board = ranked(fake_sweep([*ARMS, second]))
    assert board.reference == "supervised"
    p = {row.arm: row.p for row in board.rows if row.p is not None}
    assert set(p) == {"mae", "pca"}  # a control is no rival
    assert {row.arm: row.p_holm for row in board.rows if row.p is not None} == holm(p)
    of_same_regime = board.row("second")
    assert of_same_regime is not None
    assert of_same_regime.difference is not None
    assert of_same_regime.p_holm is None


def test_arms_that_lost_different_seeds_are_paired_on_those_that_both_have() -> None:
    sweep = fake_sweep([replace(MAE, seeds=(1, 2, 3, 4)), replace(SUPERVISED, seeds=(2, 3, 4, 5))])
    board = ranked(sweep)
    rows = [board.row("mae"), board.row("supervised")]
    frames = [[sweep.predictions[uid] for uid in row.uids] for row in rows if row]
    label = frames[0][0]["label"].to_numpy()
    stacks = [
        np.array([frame[f"predicted/{row.protocol}"] for frame in of_arm])[:, label >= 0]
        for of_arm, row in zip(frames, rows)
        if row
    ]
    paired = cell_scores(label[label >= 0], stacks, seeds=[(1, 2, 3, 4), (2, 3, 4, 5)])
    assert rows[0] is not None
    assert rows[0].difference == bootstrap_difference(paired[0], paired[1])


def with_plan(sweep: FakeSweep, **of_arm: object) -> FakeSweep:
    """The same sweep with more known of how `mae` and `supervised` were planned."""
    arms = tuple(replace(arm, **of_arm.get(arm.name, {})) for arm in sweep.facts.arms)
    return FakeSweep(sweep.records, sweep.predictions, replace(sweep.facts, arms=arms))


def test_the_default_is_the_finished_search_trial_of_the_default_recipe() -> None:
    sweep = fake_sweep()
    searched = [r for r in sweep.records if (r.arm, r.stage) == ("mae", "search")]
    first = {outcome: next(r for r in searched if r.outcome == outcome) for outcome in ("finished", "stopped", "failed")}  # fmt: skip
    for outcome, record in first.items():
        row = ranked(with_plan(sweep, mae={"default_params": record.params})).row("mae")
        assert row is not None
        assert row.default == (record.objective_value if outcome == "finished" else None)
        assert row.tuned == max(r.score or 0.0 for r in searched if r.outcome == "finished")
    row = ranked(with_plan(sweep, mae={"default_params": {"never": "tried"}})).row("mae")
    assert row is not None
    assert row.default is None


def test_fewer_updates_a_trial_are_flagged_but_not_of_arms_without_gradients() -> None:
    plans = {"mae": {"max_updates": 600}, "supervised": {"max_updates": 400}}
    notes = ranked(with_plan(fake_sweep(), **plans)).notes
    assert [note for note in notes if "updates a trial" in note] == [
        "supervised: at most 400 updates a trial where another arm has 600, so the budgets are not equal"
    ]
    equal = {arm: {"max_updates": 600} for arm in plans}
    assert not [n for n in ranked(with_plan(fake_sweep(), **equal)).notes if "updates" in n]


def test_fewer_trials_than_another_arm_are_flagged_unless_the_space_was_tried_whole() -> None:
    sweep = fake_sweep()
    plan = {"supervised": {"n_trials": 10}, "pca": {"exhausted": True}}
    kept = [r for r in sweep.records if not (r.arm == "supervised" and r.stage == "search" and int(r.uid.split("-")[1]) >= 10)]  # fmt: skip
    best = max((r for r in kept if r.arm == "supervised" and r.outcome == "finished" and r.stage == "search"), key=lambda r: r.score or 0.0)  # fmt: skip
    kept = [r.model_copy(update={"recipe": best.recipe}) if (r.arm, r.stage) == ("supervised", "confirm") else r for r in kept]  # fmt: skip
    board = ranked(with_plan(FakeSweep(kept, sweep.predictions, sweep.facts), **plan))
    assert [note for note in board.notes if "search trials" in note] == [
        "supervised: 10 search trials where another arm has 16, so the budgets are not equal"
    ]
