"""The places of rows over resamples, against loops over them."""

from dataclasses import replace

import numpy as np
import pytest

from sslbench.leaderboard.comparison import Comparison
from sslbench.leaderboard.facts import SweepFacts
from sslbench.leaderboard.intervals import N_RESAMPLES, SEED, ArmScores, draw_counts
from sslbench.leaderboard.rank_stability import rank_intervals
from tests.sslbench.leaderboard.fake_sweep import (
    MAE,
    PCA,
    RANDOM_INIT,
    SUPERVISED,
    fake_facts,
    fake_sweep,
)

FACTS: SweepFacts = fake_facts()


def comparison(unit, **per_unit: np.ndarray) -> Comparison:
    scores = {
        name: ArmScores(mean=float(np.nanmean(values)), per_unit=values)
        for name, values in per_unit.items()
    }
    return Comparison(measure=FACTS.measure(), unit=unit, n_donors=1, scores=scores, by_protocol={})


def slow_interval(places: list[int]) -> tuple[int, int]:
    """The smallest place with 2.5 % of the places at or below it, and the one with 97.5 %."""
    ordered, n = sorted(places), len(places)
    low = next(p for p in ordered if sum(q <= p for q in ordered) >= 0.025 * n)
    high = next(p for p in ordered if sum(q <= p for q in ordered) >= 0.975 * n)
    return low, high


def test_places_over_resampled_cells_are_counted_one_after_the_other() -> None:
    generator = np.random.default_rng(0)
    hard = generator.normal(0, 0.05, 300)
    drawn = {
        name: level + hard + generator.normal(0, 0.01, 300)
        for name, level in (("a", 0.71), ("b", 0.7), ("c", 0.5))
    }
    places = {name: [] for name in drawn}
    for i in range(300):
        # as in the intervals, every arm's resamples are centred on its mean
        now = {name: values[i] for name, values in drawn.items()}
        for name in drawn:
            places[name].append(1 + sum(now[other] > now[name] for other in drawn))
    found = rank_intervals(comparison("cells", **drawn))
    assert found == {name: slow_interval(of_arm) for name, of_arm in places.items()}
    assert found == {"a": (1, 2), "b": (1, 2), "c": (3, 3)}


def test_donors_are_drawn_anew_the_same_for_all_arms() -> None:
    generator = np.random.default_rng(1)
    of_donor = {
        name: level + generator.normal(0, 0.05, 5)
        for name, level in (("a", 0.72), ("b", 0.7), ("c", 0.69), ("d", 0.3))
    }
    counts = draw_counts(np.random.default_rng([SEED, 5, 2]), n_draws=5, n_resamples=N_RESAMPLES)
    places = {name: [] for name in of_donor}
    for draw in counts:
        now = {}
        for name, values in of_donor.items():
            moved = np.mean(np.repeat(values, draw)) - values.mean()
            now[name] = values.mean() + moved * (5 / 4) ** 0.5
        for name in of_donor:
            places[name].append(1 + sum(now[other] > now[name] for other in now))
    found = rank_intervals(comparison("donors", **of_donor))
    assert found == {name: slow_interval(of_arm) for name, of_arm in places.items()}
    assert found["d"] == (4, 4)


def test_arms_that_are_the_same_share_their_places() -> None:
    values = np.random.default_rng(2).normal(0.5, 0.1, 400)
    found = rank_intervals(comparison("cells", a=values, b=values.copy(), c=values - 1))
    assert found == {"a": (1, 1), "b": (1, 1), "c": (3, 3)}


def test_an_arm_without_interval_has_no_places_and_counts_as_a_rival() -> None:
    varied, constant = np.array([0.5, 0.6, 0.7, 0.6]), np.full(4, 0.9)
    found = rank_intervals(comparison("seeds", best=constant, other=varied))
    assert found == {"best": None, "other": (2, 2)}
    fewer = np.array([0.5, np.nan, np.nan, 0.55])
    assert rank_intervals(comparison("seeds", a=varied + 1, b=fewer)) == {"a": (1, 1), "b": (2, 2)}


def test_controls_neither_take_a_place_nor_have_one() -> None:
    """An untrained encoder above a rival says how good the rival is, and not that its place is taken."""
    values = np.random.default_rng(3).normal(0.5, 0.1, 400)
    arms = comparison("cells", a=values, control=values - 0.5, b=values - 1)
    assert rank_intervals(arms, controls={"control"}) == {"a": (1, 1), "b": (2, 2)}
    assert rank_intervals(arms) == {"a": (1, 1), "control": (2, 2), "b": (3, 3)}
    rows = {row.arm: row for row in fake_sweep().ranked().rows}
    assert rows["random_init"].is_control
    assert rows["random_init"].rank_interval is None
    assert rows["mae"].rank_interval is not None


def test_a_control_above_a_rival_takes_none_of_its_places() -> None:
    better = replace(RANDOM_INIT, accuracy=0.85)
    rows = {
        row.arm: row for row in fake_sweep([MAE, replace(PCA, accuracy=0.5), better]).ranked().rows
    }
    assert (rows["pca"].rank, rows["pca"].rank_interval) == (3, (2, 2))


@pytest.mark.parametrize("donors", [("p4",), ("a", "b", "c", "d")])
def test_the_rank_of_a_row_is_among_its_places(donors: tuple[str, ...]) -> None:
    board = fake_sweep([MAE, SUPERVISED, PCA], donors=donors).ranked()
    for row in board.rows:
        assert row.rank_interval is not None
        low, high = row.rank_interval
        assert 1 <= low <= row.rank <= high <= 3
