"""How often intervals hold the truth, how often nothing is taken for something, and how much is promised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from benchmarks.simulation.outcomes import Outcome
from sslbench.leaderboard.intervals import Estimate

COVERED = (0.93, 0.97)  # of intervals that say 95 %
MOST_FALSE_CLAIMS = 0.07  # at the upper end of the interval of their share
MOST_OPTIMISM = 0.002  # macro F1
LEAST_POWER = 0.80


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table."""

    what: str
    n_donors: int
    n_sweeps: int
    value: float
    low: float  # of its 95 % interval: exact binomial for shares, of the mean for scores
    high: float
    goal: str = ""  # "" where there is none
    met: bool | None = None


def covers(estimates: Sequence[Estimate], truths: Sequence[float]) -> np.ndarray:
    """Return which intervals hold the truth, (n,) boolean."""
    return np.array([e.low <= t <= e.high for e, t in zip(estimates, truths, strict=True)])


def share(what: str, hits: np.ndarray, *, n_donors: int) -> Figure:
    """Return the share of `hits` (n,) with its Clopper-Pearson 95 % interval."""
    found = binomtest(int(hits.sum()), len(hits)).proportion_ci(0.95, method="exact")
    return Figure(
        what=what,
        n_donors=n_donors,
        n_sweeps=len(hits),
        value=float(hits.mean()),
        low=float(found.low),
        high=float(found.high),
    )


def mean(what: str, values: np.ndarray, *, n_donors: int) -> Figure:
    """Return the mean of `values` (n,) with its normal 95 % interval."""
    reach = float(1.96 * values.std(ddof=1) / np.sqrt(len(values)))
    value = float(values.mean())
    return Figure(
        what=what,
        n_donors=n_donors,
        n_sweeps=len(values),
        value=value,
        low=value - reach,
        high=value + reach,
    )


def with_goal(figure: Figure, goal: str, met: bool) -> Figure:
    """Return the figure beside its goal."""
    return Figure(**{**vars(figure), "goal": goal, "met": met})


def coverage_goal(figure: Figure) -> Figure:
    """Return the figure beside the goal that 93 to 97 % of intervals hold the truth."""
    low, high = COVERED
    return with_goal(figure, f"{100 * low:.0f} to {100 * high:.0f} %", low <= figure.value <= high)


def coverage(
    found: Sequence[Outcome], *, n_donors: int, truth: tuple[float, float], of: str = ""
) -> list[Figure]:
    """Return how often the intervals of a mean and of a difference hold `truth`, their expectation on new donors."""
    estimates = {
        "interval of a mean": [o.test for o in found],
        "interval of a difference": [o.difference for o in found],
    }
    return [
        share(f"{what}{of}", covers(given, [true] * len(given)), n_donors=n_donors)
        for (what, given), true in zip(estimates.items(), truth, strict=True)
    ]


def coverage_within(found: Sequence[Outcome]) -> list[Figure]:
    """Return how often the intervals of one donor's cells hold what is expected of new cells of that donor."""
    truths = [outcome.within for outcome in found if outcome.within is not None]
    estimates = {
        "interval of a mean, for this donor": [o.test for o in found],
        "interval of a difference, for this donor": [o.difference for o in found],
    }
    return [
        share(what, covers(given, [truth[i] for truth in truths]), n_donors=1)
        for i, (what, given) in enumerate(estimates.items())
    ]


def false_claims(found: Sequence[Outcome], *, n_donors: int) -> Figure:
    """Return how often the verdict claims a difference between arms that are equally good."""
    claimed = np.array([outcome.claim != "nothing" for outcome in found])
    figure = share("a difference is claimed, there is none", claimed, n_donors=n_donors)
    return with_goal(
        figure, f"upper end ≤ {100 * MOST_FALSE_CLAIMS:.0f} %", figure.high <= MOST_FALSE_CLAIMS
    )


def false_ranks(found: Sequence[Outcome], *, n_donors: int) -> Figure:
    """Return how often some of three equally good arms have different ranks."""
    separated = np.array([outcome.separated for outcome in found])
    return share("ranks of three equal arms differ", separated, n_donors=n_donors)


def optimism(found: Sequence[Outcome], *, n_donors: int, truth: dict[str, float]) -> list[Figure]:
    """Return by how much the scores of winners among equal arms exceed what is expected of them on new donors.

    Test donors are easy or hard for all arms alike. Less the mean score of the equal arms in the same sweep, whose
    expectation is that of each of them, a score is as high on average and varies less: the goal is about that.
    """
    winner = np.array([o.winner_test - truth[o.winner] for o in found])
    paired = np.array([o.winner_test - o.equal_test for o in found])
    search = np.array([o.winner_search - truth[o.winner] for o in found])
    top = np.array([o.top_test - o.equal_test for o in found])
    less_luck = mean(
        "optimism: the same, less the luck of the test donors", paired, n_donors=n_donors
    )
    return [
        mean("optimism: test score of the winner by validation", winner, n_donors=n_donors),
        with_goal(less_luck, f"≤ {MOST_OPTIMISM}", less_luck.value <= MOST_OPTIMISM),
        mean("optimism: without confirm, its best search score", search, n_donors=n_donors),
        mean("optimism: test score of the first row, less that luck", top, n_donors=n_donors),
    ]


def power(found: Sequence[Outcome], *, n_donors: int) -> Figure:
    """Return how often the verdict finds that SSL wins."""
    won = np.array([outcome.claim == "wins" for outcome in found])
    return share("a gain of 3 standard errors is found", won, n_donors=n_donors)
