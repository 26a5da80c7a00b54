"""What sweeps say together: the mean of their verdict pairs over data sets, and nothing beyond a single one."""

import numpy as np
import pytest
from scipy import stats

from sslbench.leaderboard.across.pairs import RankedSweep
from sslbench.leaderboard.across.store import across_sweeps
from sslbench.leaderboard.across.verdicts import SettingVerdict
from tests.sslbench.leaderboard.across.fake_store import ranked


def verdict_of(*sweeps: RankedSweep) -> SettingVerdict:
    (verdict,) = across_sweeps(sweeps).verdicts
    return verdict


def on(differences: list[float], **given) -> list[RankedSweep]:
    return [
        ranked(f"d{i}", {"masked": 0.7 + gain, "supervised": 0.7}, **given)
        for i, gain in enumerate(differences)
    ]


def test_of_a_single_data_set_no_more_is_said_than_its_sweep_says() -> None:
    verdict = verdict_of(ranked("blood", {"masked": 0.9, "supervised": 0.5}))
    assert verdict.difference is None
    assert verdict.sentence == (
        "On blood alone, so no more than its sweep says: s: what s on blood says."
    )


def test_two_sweeps_on_one_data_set_are_still_a_single_data_set() -> None:
    scores = {"masked": 0.9, "supervised": 0.5}
    verdict = verdict_of(ranked("blood", scores), ranked("blood", scores, sweep="t"))
    assert verdict.difference is None
    assert len(verdict.contests) == 2


def test_the_interval_is_the_t_interval_over_data_sets() -> None:
    gains = [0.05, 0.08, 0.02, 0.07]
    verdict = verdict_of(*on(gains))
    low, high = stats.t.interval(0.95, 3, loc=np.mean(gains), scale=stats.sem(gains))
    assert verdict.difference is not None
    assert (verdict.difference.low, verdict.difference.high) == pytest.approx((low, high))
    assert verdict.sentence.startswith("SSL wins by 0.055 macro F1")
    assert "over 4 data sets" in verdict.sentence
    assert "of 4 sweeps by themselves it is separably ahead in 4, behind in 0" in verdict.sentence


def test_ssl_loses_where_the_mean_is_separably_below() -> None:
    assert verdict_of(*on([-0.05, -0.08, -0.06])).sentence.startswith("SSL loses by 0.063 macro F1")


def test_ssl_ties_where_data_sets_disagree_however_sure_each_sweep_is() -> None:
    verdict = verdict_of(*on([0.2, -0.2, 0.1]))
    assert verdict.sentence.startswith("SSL ties: not separable from the best supervised baseline")
    assert "separably ahead in 2, behind in 1, not separable in 0" in verdict.sentence


def test_sweeps_of_one_data_set_are_averaged_first_so_that_it_weighs_as_much_as_another() -> None:
    many = [*on([0.1]), *on([0.3], sweep="t"), ranked("e", {"masked": 0.6, "supervised": 0.7})]
    verdict = verdict_of(*many)
    assert verdict.difference is not None
    assert verdict.difference.mean == pytest.approx((0.2 - 0.1) / 2)


def test_the_ssl_arm_is_the_best_by_validation_whatever_test_says() -> None:
    (first, *_), scores = on([0.1]), {"masked": 0.9, "byol": 0.6, "supervised": 0.7}
    chosen = ranked(
        "e",
        scores,
        sweep=first.facts.sweep,
        validation={"masked": 0.1, "byol": 0.5, "supervised": 0.5},
    )
    verdict = verdict_of(first, chosen)
    assert verdict.contests[1].ssl == "byol/mlp"
    assert verdict.contests[1].difference.mean == pytest.approx(-0.1)


def test_a_sweep_without_a_verdict_pair_is_silent_and_listed() -> None:
    verdict = verdict_of(*on([0.1, 0.1]), ranked("e", {"masked": 0.9, "pca": 0.5}))
    assert verdict.silent == ("s on e: what s on e says.",)
    assert len(verdict.contests) == 2


def test_scenarios_and_tasks_have_verdicts_and_rankings_of_their_own_and_one_of_all_tasks() -> None:
    protein = "val/cross_modality/pearson_per_feature"
    across = across_sweeps(
        [*on([0.1, 0.2]), *on([0.1, 0.3], objective=protein), *on([0.1], scenario="transfer")]
    )
    assert [verdict.setting.words for verdict in across.verdicts] == [
        "in_data · Pearson per feature",
        "in_data · macro F1",
        "transfer · macro F1",
    ]
    assert [ranking.title for ranking in across.rankings] == [
        "in_data · Pearson per feature",
        "in_data · macro F1",
        "transfer · macro F1",
        "in_data · all tasks",
    ]
    assert len(across.pairs) == 5


def test_a_store_without_a_score_says_nothing_and_does_not_fail() -> None:
    across = across_sweeps([ranked("blood", {})])
    assert (across.verdicts, across.rankings, across.gains) == ((), (), ())
