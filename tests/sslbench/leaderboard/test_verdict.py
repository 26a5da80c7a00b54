from dataclasses import replace

import pytest

from sslbench.leaderboard.ranking import rank_arms
from sslbench.leaderboard.standing import best_by_validation
from sslbench.leaderboard.verdict import NOT_SEPARABLE
from tests.sslbench.leaderboard.fake_sweep import (
    MAE,
    PCA,
    RANDOM_INIT,
    SUPERVISED,
    FakeArm,
    fake_sweep,
)

STRONG = replace(MAE, accuracy=0.97)
WEAK = replace(MAE, accuracy=0.6)


def verdict_on(*arms: FakeArm, donors: tuple[str, ...] = ("p4",)) -> str:
    sweep = fake_sweep(arms, donors=donors)
    return rank_arms(sweep.records, sweep.predictions, sweep.facts).verdict


def test_a_separable_gain_is_a_win_for_the_cells_of_this_one_donor() -> None:
    verdict = verdict_on(STRONG, SUPERVISED, PCA)
    assert verdict.startswith("SSL wins by 0.")
    assert "mae/mlp (knn) against supervised/mlp (head)" in verdict
    assert verdict.endswith("on the cells of this one test donor.")


def test_a_separable_loss_is_a_loss_with_its_size_positive() -> None:
    verdict = verdict_on(WEAK, SUPERVISED)
    assert verdict.startswith("SSL loses by 0.")
    assert "−" not in verdict
    assert "-0" not in verdict


def test_what_spans_zero_is_not_separable() -> None:
    assert verdict_on(MAE, SUPERVISED, PCA, RANDOM_INIT) == NOT_SEPARABLE


def test_another_ssl_arm_that_is_separable_keeps_the_verdict_from_speaking_for_all() -> None:
    """The arm that validation prefers ties; the one it does not prefer loses: `no SSL arm` would be false."""
    loser = replace(WEAK, name="weak", validation={"knn": 0.1, "linear_probe": 0.1})
    verdict = verdict_on(MAE, loser, SUPERVISED)
    assert verdict.startswith("The SSL arm that is best by validation is not separable")
    assert verdict.endswith("corrected for the 2 arms compared, weak/mlp is behind (p 0.002).")


def test_another_ssl_arm_is_claimed_only_after_correction_for_all_that_were_compared() -> None:
    """The same arm among more of them: its own interval leaves 0 out as before, and nothing is claimed."""
    behind = replace(
        MAE, name="behind", accuracy=0.75, validation={"knn": 0.1, "linear_probe": 0.1}
    )
    more = [replace(MAE, name=f"mae_{i}") for i in range(60)]
    sweep = fake_sweep([MAE, behind, SUPERVISED, *more])
    board = rank_arms(sweep.records, sweep.predictions, sweep.facts)
    row = board.row("behind")
    assert row is not None
    assert row.difference is not None
    assert not row.difference.spans_zero
    assert row.p is not None
    assert row.p < 0.05 < (row.p_holm or 0.0)
    assert "corrected for the 62 arms compared, no other SSL arm is." in board.verdict
    (note,) = [n for n in board.notes if "not after correction for the 62 arms" in n]
    assert f"behind (p {row.p_holm:.3f})" in note


def test_the_verdict_needs_no_correction_since_its_pair_was_chosen_on_validation() -> None:
    ahead = replace(MAE, accuracy=0.905, validation={"knn": 0.99, "linear_probe": 0.9})
    more = [replace(PCA, name=f"pca_{i}") for i in range(80)]
    sweep = fake_sweep([ahead, SUPERVISED, *more])
    board = rank_arms(sweep.records, sweep.predictions, sweep.facts)
    row = board.row("mae")
    assert row is not None
    assert (row.p or 1.0) < 0.05 < (row.p_holm or 0.0)
    assert board.verdict.startswith("SSL wins by 0.")


def test_the_verdict_is_about_the_ssl_arm_that_validation_prefers() -> None:
    lucky = replace(STRONG, name="lucky", validation={"knn": 0.1, "linear_probe": 0.1})
    assert "wins" not in verdict_on(lucky, MAE, SUPERVISED)


@pytest.mark.parametrize(
    ("donors", "scope"),
    [
        (("",), "on these test cells."),
        (("a", "b", "c"), "on these 3 test donors."),
        (tuple("abcdefg"), "over test donors."),
    ],
)
def test_no_claim_goes_beyond_the_donors(donors: tuple[str, ...], scope: str) -> None:
    assert verdict_on(STRONG, SUPERVISED, donors=donors).endswith(scope)


def test_fewer_than_three_seeds_are_said_to_be_too_few() -> None:
    verdict = verdict_on(replace(STRONG, seeds=(1, 2)), SUPERVISED)
    assert verdict.endswith("Fewer than 3 seeds: too few to believe.")


def test_a_sweep_without_supervised_arm_has_no_verdict() -> None:
    assert verdict_on(MAE, PCA).startswith("No verdict: this sweep has no supervised arm")


def test_a_planned_supervised_arm_that_was_not_confirmed_is_named() -> None:
    sweep = fake_sweep([MAE, SUPERVISED])
    records = [r for r in sweep.records if r.arm != "supervised"]
    verdict = rank_arms(records, sweep.predictions, sweep.facts).verdict
    assert verdict == "No verdict: no supervised arm was confirmed (planned: supervised)."


def test_of_equal_validation_scores_the_first_name_is_best() -> None:
    assert best_by_validation({"b": 0.5, "a": 0.5, "c": 0.4}) == "a"
    assert best_by_validation({}) is None
