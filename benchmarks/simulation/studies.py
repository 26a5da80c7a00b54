"""The studies: what intervals cover, what verdicts claim without reason, what winners promise, which gains are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from scipy.stats import nct, t

from benchmarks.simulation.figures import (
    LEAST_POWER,
    Figure,
    coverage,
    coverage_goal,
    coverage_within,
    false_claims,
    false_ranks,
    optimism,
    power,
    with_goal,
)
from benchmarks.simulation.outcomes import (
    BASELINE,
    LEVEL,
    OTHER_SSL,
    SSL,
    Outcome,
    design,
    outcomes,
)
from benchmarks.simulation.population import Population
from benchmarks.simulation.truth import expected_score, level_of

NULL_SEED, GAIN_SEED, FEW_SEED, OTHER_SEED = 1, 2, 3, 4  # of studies: fixed before the first run
FEW_DONORS, MANY_DONORS = (2, 3, 4, 5), (6, 8, 20)
GAIN = 0.1  # latent, about 0.02 macro F1, where coverage alone is asked for
STANDARD_ERRORS = 3.0  # of the injected gain
CLAIMS = 4  # times as many sweeps: of 500, a test at exactly 5 % has its upper end below 7 % only every other time
Told = Callable[[str], object]


def one_donor(n: int, *, told: Told) -> Iterator[Figure]:
    """Yield the figures of leaderboards over the cells of a single donor."""
    gained = outcomes(design(1, gain=GAIN), n=n, seed=FEW_SEED, told=told)
    yield from coverage_within(gained)
    truth = _truth(LEVEL + GAIN, LEVEL)
    yield from coverage(gained, n_donors=1, truth=truth, of=", for new donors")
    claims = false_claims(outcomes(design(1), n=n, seed=NULL_SEED, told=told), n_donors=1)
    yield replace(claims, what=f"{claims.what} on new donors", goal="", met=None)


def few_donors(n_donors: int, *, n: int, told: Told) -> Iterator[Figure]:
    """Yield what the intervals over very few donors cover."""
    found = outcomes(design(n_donors, gain=GAIN), n=n, seed=FEW_SEED, told=told)
    yield from coverage(found, n_donors=n_donors, truth=_truth(LEVEL + GAIN, LEVEL))


def many_donors(n_donors: int, *, n: int, told: Told) -> Iterator[Figure]:
    """Yield every figure of leaderboards over donors."""
    equal = outcomes(design(n_donors), n=CLAIMS * n, seed=NULL_SEED, told=told)
    null = equal[:n]
    gained, truth = _gained(null, n_donors=n_donors, told=told)
    yield from map(coverage_goal, coverage(gained, n_donors=n_donors, truth=truth))
    yield false_claims(equal, n_donors=n_donors)
    yield false_ranks(null, n_donors=n_donors)
    score = expected_score(Population(), LEVEL)
    truths = dict.fromkeys((SSL, OTHER_SSL, BASELINE), score)
    yield from optimism(null, n_donors=n_donors, truth=truths)
    found = power(gained, n_donors=n_donors)
    usual = power_of_t_test(n_donors)
    told(f"  a t test over {n_donors} donors finds such a gain in {usual:.0%}")
    if usual >= LEAST_POWER:
        found = with_goal(found, f"≥ {100 * LEAST_POWER:.0f} %", found.value >= LEAST_POWER)
    yield found


def otherwise(n_donors: int, *, n: int, told: Told) -> Iterator[Figure]:
    """Yield what the intervals cover in populations that differ from the usual one in one respect."""
    lucky = Population(seed=0.08)
    cases = {
        ", seeds 2.7 times as lucky": (design(n_donors, gain=GAIN, population=lucky), LEVEL),
        ", 3 seeds": (design(n_donors, gain=GAIN, n_seeds=3), LEVEL),
        ", scores of 0.96": (design(n_donors, gain=GAIN, level=2.8), 2.8),
    }
    for words, (case, level) in cases.items():
        found = outcomes(case, n=n, seed=OTHER_SEED, told=told)
        truth = _truth(level + GAIN, level, population=case.population)
        yield from coverage(found, n_donors=n_donors, truth=truth, of=words)


def power_of_t_test(n_donors: int, *, errors: float = STANDARD_ERRORS) -> float:
    """Return how often a two-sided t test at 5 % over normal differences finds a gain of so many standard errors."""
    freedom = n_donors - 1
    return float(nct.sf(t.ppf(0.975, freedom), freedom, errors))


def _gained(
    null: list[Outcome], *, n_donors: int, told: Told
) -> tuple[list[Outcome], tuple[float, float]]:
    """Return sweeps with a gain of three standard errors, as many as there are without one, and what is true of them."""
    error = float(np.std([o.difference.mean for o in null], ddof=1))
    wanted = expected_score(Population(), LEVEL) + STANDARD_ERRORS * error
    gain = level_of(Population(), wanted, around=LEVEL + 0.3) - LEVEL
    told(f"  {n_donors} test donors: a standard error is {error:.4f}, the gain {gain:.3f} latent")
    gained = outcomes(design(n_donors, gain=gain), n=len(null), seed=GAIN_SEED, told=told)
    return gained, _truth(LEVEL + gain, LEVEL)


def _truth(
    ssl: float, baseline: float, *, population: Population | None = None
) -> tuple[float, float]:
    """Return the expected score of the SSL arm on new donors, and its difference to the baseline's."""
    drawn_from = population or Population()
    score = expected_score(drawn_from, ssl)
    return score, score - expected_score(drawn_from, baseline)
