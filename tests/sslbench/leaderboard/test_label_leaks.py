"""A planted leak is seen, and chance is not taken for one."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sslbench.leaderboard.label_leaks import lower_bound
from sslbench.leaderboard.statistics import chance_macro_f1, macro_f1
from sslbench.results import TrialRecord
from tests.sslbench.leaderboard.fake_sweep import (
    LABELS,
    MAE,
    SUPERVISED,
    FakeArm,
    FakeSweep,
    fake_sweep,
    reference_macro_f1,
)

SHUFFLED = FakeArm(
    "shuffled_labels", "supervised", encoder="linear", n_trials=1, protocols=("head",),
    is_control=True, permutes_labels=True,
)  # fmt: skip


def by_chance(label: np.ndarray, seed: int) -> np.ndarray:
    """Predictions as a classifier of permuted labels gives them: whole types at a time, each any label."""
    draws = np.random.default_rng(seed)
    of_type, alone = (
        draws.integers(len(LABELS), size=len(LABELS)),
        draws.integers(len(LABELS), size=len(label)),
    )
    return np.where(draws.random(len(label)) < 0.3, of_type[label.clip(0)], alone)


def control_sweep(*, seeds: tuple[int, ...], leaked: float = 0.0, luck: int = 0) -> FakeSweep:
    """A sweep whose control of permuted labels knows the truth of a share of the test cells."""
    sweep = fake_sweep([MAE, SUPERVISED, replace(SHUFFLED, seeds=seeds)])
    predictions, records = dict(sweep.predictions), []
    for record in sweep.records:
        if (record.arm, record.stage) == ("shuffled_labels", "confirm"):
            frame, seed = predictions[record.uid], int(record.config["seed"]) + 1000 * luck
            label = frame["label"].to_numpy()
            told = np.random.default_rng([7, seed]).random(len(label)) < leaked
            guessed = np.where(told, label.clip(0), by_chance(label, seed))
            predictions[record.uid] = frame.assign(**{"predicted/head": guessed})
            record = rescored(record, predictions[record.uid])
        records.append(record)
    return FakeSweep(records, predictions, sweep.facts)


def rescored(record: TrialRecord, frame: pd.DataFrame) -> TrialRecord:
    assert record.result is not None
    scores = {**record.result.scores, "test/head/macro_f1": reference_macro_f1(frame, "head")}
    return record.model_copy(update={"result": record.result.model_copy(update={"scores": scores})})


def leaks(sweep: FakeSweep) -> list[str]:
    return [note for note in sweep.ranked().notes if note.startswith("LABELS LEAK")]


@pytest.mark.parametrize("leaked", [0.3, 1.0])
def test_a_planted_leak_is_the_first_note_of_the_leaderboard(leaked: float) -> None:
    board = control_sweep(seeds=(1, 2, 3, 4, 5), leaked=leaked).ranked()
    assert board.notes[0].startswith("LABELS LEAK: shuffled_labels")
    assert "believe no row" in board.notes[0]


def test_chance_is_no_leak_in_nearly_every_draw() -> None:
    alarms = sum(bool(leaks(control_sweep(seeds=(1, 2, 3, 4, 5), luck=i))) for i in range(40))
    assert alarms <= 2


def test_an_arm_that_learnt_true_labels_is_no_leak() -> None:
    assert leaks(fake_sweep([MAE, SUPERVISED])) == []  # type: ignore[comparison-overlap]


def test_two_permutations_are_too_few_to_judge() -> None:
    assert leaks(control_sweep(seeds=(1, 2), leaked=0.9)) == []


def test_chance_is_the_mean_over_permutations_of_the_truth() -> None:
    draws = np.random.default_rng(0)
    truth = draws.choice(5, size=300, p=[0.5, 0.25, 0.15, 0.06, 0.04])
    truth[:20] = -1
    predicted = draws.choice([0, 1, 2, 5], size=300, p=[0.2, 0.2, 0.5, 0.1])
    known = np.flatnonzero(truth >= 0)
    scores = []
    for _ in range(2000):
        shuffled = truth.copy()
        shuffled[known] = draws.permutation(truth[known])
        scores.append(macro_f1(shuffled, predicted))
    standard_error = np.std(scores) / sqrt(len(scores))
    assert chance_macro_f1(truth, predicted) == pytest.approx(
        np.mean(scores), abs=4 * standard_error
    )


def test_the_lower_bound_is_that_of_scipys_t_interval() -> None:
    excess = np.array([0.02, 0.05, -0.01, 0.04])
    low, _ = stats.t.interval(0.99, df=3, loc=excess.mean(), scale=stats.sem(excess))
    assert lower_bound(excess) == pytest.approx(low)
