"""The leaderboard's statistics are what they say: intervals cover, equal arms tie, winners keep their promise.

Each criterion is tried on broken intervals too, which it has to refuse.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from benchmarks.simulation import studies
from benchmarks.simulation.figures import (
    COVERED,
    MOST_FALSE_CLAIMS,
    MOST_OPTIMISM,
    Figure,
    coverage,
    false_claims,
    mean,
    optimism,
    share,
)
from benchmarks.simulation.outcomes import (
    BASELINE,
    LEVEL,
    OTHER_SSL,
    SSL,
    Outcome,
    design,
    outcome,
    outcomes,
)
from benchmarks.simulation.population import Population
from benchmarks.simulation.sweep import simulate
from benchmarks.simulation.truth import expected_score
from sslbench.leaderboard import intervals
from sslbench.leaderboard.cell_type_scores import CellTypeScores
from sslbench.leaderboard.intervals import Estimate

N_SWEEPS, N_DONORS = 300, 6
LUCKY = Population(seed=0.08)


def may_cover(figure: Figure) -> bool:
    """Whether so few sweeps leave it possible that 93 to 97 % of intervals hold the truth."""
    return figure.low <= COVERED[1] and figure.high >= COVERED[0]


def shrunk(estimate: Estimate, factor: float = 0.7) -> Estimate:
    return replace(
        estimate,
        low=estimate.mean - factor * (estimate.mean - estimate.low),
        high=estimate.mean + factor * (estimate.high - estimate.mean),
    )


def with_shrunk_intervals(found: Sequence[Outcome]) -> list[Outcome]:
    return [
        replace(
            o,
            test=shrunk(o.test),
            difference=shrunk(o.difference),
            claim="nothing" if shrunk(o.difference).spans_zero else "wins",
        )
        for o in found
    ]


@pytest.fixture(scope="module")
def equal_arms() -> list[Outcome]:
    return outcomes(design(N_DONORS), n=N_SWEEPS, seed=11)


@pytest.fixture(scope="module")
def score() -> float:
    return expected_score(Population(), LEVEL)


def test_a_share_has_its_exact_binomial_interval() -> None:
    hits = np.arange(60) < 57
    figure = share("", hits, n_donors=6)
    known = binomtest(57, 60).proportion_ci(0.95)
    assert (figure.value, figure.low, figure.high) == pytest.approx((0.95, known.low, known.high))


def test_a_mean_has_its_normal_interval() -> None:
    values = np.random.default_rng(0).normal(0.5, 2.0, 400)
    figure = mean("", values, n_donors=6)
    assert figure.high - figure.low == pytest.approx(2 * 1.96 * values.std(ddof=1) / 20)


def test_the_power_of_a_t_test_is_what_draws_say() -> None:
    drawn = np.random.default_rng(1).normal(3 / np.sqrt(8), 1.0, (20_000, 8))
    t = drawn.mean(axis=1) / (drawn.std(axis=1, ddof=1) / np.sqrt(8))
    assert studies.power_of_t_test(8) == pytest.approx((t > 2.3646).mean(), abs=0.01)


def test_a_sweep_is_the_same_however_many_are_drawn() -> None:
    assert outcomes(design(2), n=2, seed=5) == outcomes(design(2), n=3, seed=5)[:2]


@pytest.mark.slow
def test_intervals_over_donors_cover_what_is_expected_of_new_donors(
    equal_arms: list[Outcome], score: float
) -> None:
    for figure in coverage(equal_arms, n_donors=N_DONORS, truth=(score, 0.0)):
        assert may_cover(figure), figure
    narrow = with_shrunk_intervals(equal_arms)
    for figure in coverage(narrow, n_donors=N_DONORS, truth=(score, 0.0)):
        assert not may_cover(figure), figure


@pytest.mark.slow
def test_equal_arms_are_seldom_said_to_differ(equal_arms: list[Outcome]) -> None:
    assert false_claims(equal_arms, n_donors=N_DONORS).low <= 0.05
    narrow = false_claims(with_shrunk_intervals(equal_arms), n_donors=N_DONORS)
    assert narrow.low > MOST_FALSE_CLAIMS


@pytest.mark.slow
def test_confirming_takes_away_the_optimism_of_the_search(
    equal_arms: list[Outcome], score: float
) -> None:
    truth = dict.fromkeys((SSL, OTHER_SSL, BASELINE), score)
    _, confirmed, searched, top = optimism(equal_arms, n_donors=N_DONORS, truth=truth)
    assert confirmed.low <= MOST_OPTIMISM / 2
    assert confirmed.high <= 2 * MOST_OPTIMISM
    assert searched.low > 10 * MOST_OPTIMISM
    assert top.low > MOST_OPTIMISM  # the criterion sees a winner that test scores chose


@pytest.mark.slow
def test_without_the_luck_of_seeds_intervals_over_donors_are_too_narrow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sweeps = [
        simulate(design(20, population=LUCKY), np.random.default_rng([12, i])) for i in range(50)
    ]
    truth = (expected_score(LUCKY, LEVEL), 0.0)
    _, whole = coverage([outcome(s) for s in sweeps], n_donors=20, truth=truth)
    assert may_cover(whole), whole
    both = intervals.standard_errors
    monkeypatch.setattr(intervals, "standard_errors", lambda *a, **k: both(*a, **k)[:1])
    _, donors_alone = coverage([outcome(s) for s in sweeps], n_donors=20, truth=truth)
    assert not may_cover(donors_alone), donors_alone


@pytest.mark.slow
def test_resampled_cells_say_nothing_about_new_donors(
    score: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CellTypeScores, "unit", "cells")
    found = outcomes(design(N_DONORS), n=40, seed=11)
    of_mean, _ = coverage(found, n_donors=N_DONORS, truth=(score, 0.0))
    assert not may_cover(of_mean), of_mean


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("n_donors", studies.MANY_DONORS)
def test_every_goal_is_reached(n_donors: int) -> None:
    figures = list(studies.many_donors(n_donors, n=500, told=print))
    assert {figure.what: figure for figure in figures if figure.met is False} == {}
    assert sum(figure.met is True for figure in figures) >= 4
