import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from sslbench.leaderboard.metric import Measure, ranked_metric
from sslbench.leaderboard.predictions import TestFrames
from sslbench.leaderboard.selection import Confirmed, confirmed_arm
from sslbench.results import TrialRecord, chosen_trial
from tests.sslbench.leaderboard.fake_sweep import MAE, PCA, SUPERVISED, FakeSweep, fake_sweep


def confirmed_in(
    records: Sequence[TrialRecord], predictions: Mapping[str, pd.DataFrame], *, arm: str
) -> tuple[Confirmed | None, tuple[str, ...]]:
    frames = TestFrames(predictions=predictions)
    return confirmed_arm(
        records, frames, arm=arm, measure=Measure(metric=ranked_metric("macro_f1"))
    )


def searched(sweep: FakeSweep, arm: str) -> list[TrialRecord]:
    return [r for r in sweep.records if r.arm == arm and r.stage == "search"]


def changed(record: TrialRecord, **parts: object) -> TrialRecord:
    return record.model_copy(update=parts)


def with_scores(record: TrialRecord, scores: dict[str, float]) -> TrialRecord:
    assert record.result is not None
    return changed(record, result=record.result.model_copy(update={"scores": scores}))


def test_the_finished_search_trial_with_the_best_objective_is_chosen() -> None:
    sweep = fake_sweep([MAE])
    finished = [r for r in searched(sweep, "mae") if r.outcome == "finished"]
    expected = max(finished, key=lambda r: r.objective_value or 0.0)
    assert chosen_trial(sweep.records, "mae") == expected


def test_a_stopped_trial_is_not_chosen_however_good_it_looked() -> None:
    sweep = fake_sweep([MAE])
    chosen = chosen_trial(sweep.records, "mae")
    better = [
        changed(r, objective_value=0.999) if r.outcome == "stopped" else r for r in sweep.records
    ]
    assert chosen_trial(better, "mae") == chosen


def test_of_equal_objectives_the_earliest_ended_is_chosen_in_any_order_of_the_records() -> None:
    sweep = fake_sweep([MAE])
    equal = [
        changed(r, objective_value=0.5) if r.outcome == "finished" else r for r in sweep.records
    ]
    first = min(
        (r for r in equal if r.stage == "search" and r.outcome == "finished"),
        key=lambda r: r.ended_unix_ms,
    )
    for seed in range(5):
        random.Random(seed).shuffle(equal)
        assert chosen_trial(equal, "mae") == first


def test_an_arm_without_a_search_trial_that_has_a_score_has_no_choice() -> None:
    sweep = fake_sweep([MAE])
    none_scored = [r for r in sweep.records if r.outcome == "failed"]
    assert chosen_trial(none_scored, "mae") is None
    assert chosen_trial(sweep.records, "unheard_of") is None


def test_the_protocol_is_the_best_by_validation_whatever_the_test_says() -> None:
    arm = replace(SUPERVISED, validation={"head": 0.7, "knn": 0.8, "linear_probe": 0.75})
    sweep = fake_sweep([arm])
    confirmed, _ = confirmed_in(sweep.records, sweep.predictions, arm="supervised")
    assert confirmed is not None
    assert confirmed.protocol(preferred=["head"]) == "knn"


@pytest.mark.parametrize(
    ("preferred", "chosen"), [("linear_probe", "linear_probe"), ("head", "head"), ("other", "head")]
)
def test_of_equal_protocols_that_of_the_objective_is_chosen_else_the_first_by_name(
    preferred: str, chosen: str
) -> None:
    arm = replace(SUPERVISED, validation={"head": 0.8, "knn": 0.7, "linear_probe": 0.8})
    sweep = fake_sweep([arm])
    confirmed, _ = confirmed_in(sweep.records, sweep.predictions, arm="supervised")
    assert confirmed is not None
    assert confirmed.protocol(preferred=[preferred]) == chosen


def test_confirm_trials_of_another_recipe_are_counted_but_not_used() -> None:
    sweep = fake_sweep([PCA])
    confirmed = [r for r in sweep.records if r.stage == "confirm"]
    old = [changed(r, uid=f"old-{r.uid}", recipe="an older best") for r in confirmed]
    frames = {**sweep.predictions, **{f"old-{uid}": f for uid, f in sweep.predictions.items()}}
    arm, holes = confirmed_in([*sweep.records, *old], frames, arm="pca")
    assert arm is not None
    assert {r.uid for r in arm.records} == set(sweep.predictions)
    assert (arm.n_test_openings, holes) == (2, ())


def test_a_failed_confirm_trial_and_one_without_predictions_are_holes() -> None:
    sweep = fake_sweep([PCA])
    uids = list(sweep.predictions)
    records = [
        changed(r, outcome="failed", result=None) if r.uid == uids[0] else r for r in sweep.records
    ]
    frames = {uid: frame for uid, frame in sweep.predictions.items() if uid != uids[1]}
    arm, holes = confirmed_in(records, frames, arm="pca")
    assert arm is not None
    assert [r.uid for r in arm.records] == uids[2:]
    assert len(holes) == 2
    assert "seed 101 ended as failed" in holes[0]
    assert "seed 102 has no predictions" in holes[1]


@pytest.mark.parametrize("missing", ["val/knn/macro_f1", "test/knn/macro_f1", "predictions"])
def test_a_protocol_that_is_not_whole_for_every_seed_is_a_hole_and_never_averaged(
    missing: str,
) -> None:
    sweep = fake_sweep([PCA])
    uid = next(iter(sweep.predictions))
    frames, records = dict(sweep.predictions), sweep.records
    if missing == "predictions":
        frames[uid] = frames[uid].drop(columns="predicted/knn")
    else:
        records = [
            with_scores(r, {k: v for k, v in r.result.scores.items() if k != missing})
            if r.uid == uid and r.result
            else r
            for r in records
        ]
    arm, holes = confirmed_in(records, frames, arm="pca")
    assert arm is not None
    assert list(arm.validation) == ["linear_probe"]
    assert holes == ("pca: knn is whole for 4 of 5 seeds, left out",)


def test_an_arm_that_was_never_confirmed_is_a_hole() -> None:
    sweep = fake_sweep([PCA])
    arm, holes = confirmed_in(searched(sweep, "pca"), {}, arm="pca")
    assert arm is None
    assert holes == ("pca: no confirm trial of its chosen recipe has test predictions",)


def test_seeds_are_in_order_so_that_arms_pair_by_position() -> None:
    sweep = fake_sweep([PCA])
    arm, _ = confirmed_in(sweep.records[::-1], sweep.predictions, arm="pca")
    assert arm is not None
    seeds = [r.config["seed"] for r in arm.records]
    assert seeds == sorted(seeds)
    knn = [r.result.scores["val/knn/macro_f1"] for r in arm.records if r.result]
    assert arm.validation["knn"] == pytest.approx(np.mean(knn))
