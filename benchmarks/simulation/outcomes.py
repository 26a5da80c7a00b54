"""What a reader would take from the leaderboard of each of many simulated sweeps, beside what is true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmarks.simulation.population import Population
from benchmarks.simulation.sweep import Design, SimulatedArm, SimulatedSweep, simulate
from benchmarks.simulation.truth import expected_score_within
from sslbench.leaderboard.board import Leaderboard
from sslbench.leaderboard.intervals import Estimate
from sslbench.leaderboard.standing import best_by_validation

SSL, OTHER_SSL, BASELINE = "mae", "byol", "supervised"
LEVEL = 1.3  # about 0.81 macro F1
Claim = Literal["wins", "loses", "nothing"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One sweep. `SSL` and `BASELINE` are compared as its rows say, whatever validation thinks of them."""

    test: Estimate  # of the SSL arm
    difference: Estimate  # SSL − baseline
    within: tuple[float, float] | None  # both on new cells of the test donor; None: more than one
    claim: Claim  # of the verdict
    separated: bool  # whether equally good arms have different ranks
    winner: str  # the arm that is best by validation: what the verdict names and `pull` takes
    winner_test: float
    winner_search: float  # by which the search chose its recipe
    equal_test: float  # mean over the arms that are as good as the baseline
    top: str  # the arm with the best test score: the first row
    top_test: float


def design(
    n_donors: int,
    *,
    gain: float = 0.0,
    level: float = LEVEL,
    population: Population | None = None,
    n_seeds: int = 5,
) -> Design:
    """Return a sweep of two SSL arms, which are better by `gain` (latent), and a supervised arm."""
    ssl = level + gain
    return Design(
        n_donors=n_donors,
        n_seeds=n_seeds,
        population=population or Population(),
        arms=(
            SimulatedArm(name=SSL, regime="self-supervised", level=ssl),
            SimulatedArm(name=OTHER_SSL, regime="self-supervised", level=ssl),
            SimulatedArm(name=BASELINE, regime="supervised", level=level),
        ),
    )


def outcomes(
    design: Design, *, n: int, seed: int, told: Callable[[str], object] | None = None
) -> list[Outcome]:
    """Return the outcomes of `n` sweeps; the i-th is the same however many are drawn."""
    found = []
    for i in range(n):
        generator = np.random.default_rng([seed, design.n_donors, i])
        found.append(outcome(simulate(design, generator)))
        if told is not None and (i + 1) % 100 == 0:
            told(f"  {i + 1} of {n} sweeps with {design.n_donors} test donors")
    return found


def outcome(sweep: SimulatedSweep) -> Outcome:
    """Return what the leaderboard of one sweep says."""
    board = sweep.ranked()
    row, rows = board.row(SSL), {row.arm: row for row in board.rows}
    assert row is not None
    assert row.difference is not None
    assert board.reference == BASELINE
    winner = best_by_validation({arm: row.validation for arm, row in rows.items()})
    assert winner is not None
    equal = [a.name for a in sweep.design.arms if a.level == sweep.design.level(BASELINE)]
    return Outcome(
        test=row.test,
        difference=row.difference,
        within=_within(sweep) if len(sweep.donors) == 1 else None,
        claim=claim_of(board),
        separated=len({rows[arm].rank for arm in equal}) > 1,
        winner=winner,
        winner_test=rows[winner].test.mean,
        winner_search=sweep.best_search_score(winner),
        equal_test=float(np.mean([rows[arm].test.mean for arm in equal])),
        top=board.rows[0].arm,
        top_test=board.rows[0].test.mean,
    )


def claim_of(board: Leaderboard) -> Claim:
    """Return what the verdict claims."""
    for claim in ("wins", "loses"):
        if board.verdict.startswith(f"SSL {claim} by "):
            return claim
    assert "separable" in board.verdict, board.verdict
    return "nothing"


def _within(sweep: SimulatedSweep) -> tuple[float, float]:
    (donor,) = sweep.donors
    population = sweep.design.population
    ssl, baseline = (
        expected_score_within(population, donor, level=float(sweep.levels[arm][0]))
        for arm in (SSL, BASELINE)
    )
    return ssl, ssl - baseline
