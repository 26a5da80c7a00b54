"""What an arm is really worth: its expected macro F1, by Monte Carlo from the population and without the code under proof.

Given donor and seed, cells of one type are right independently of each other, with a normal probability, so that
the table of true and predicted types can be drawn at once and no cell has to be.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from benchmarks.simulation.population import Donor, Population

N_DRAWS = 400_000  # of a donor, a seed and its cells: an error of 0.0001 macro F1
N_DRAWS_WITHIN = 2_000  # of a seed and new cells of one donor: an error of 0.0007


def expected_score(population: Population, level: float, *, n_draws: int = N_DRAWS) -> float:
    """Return the expected macro F1 of a new seed on a new donor: what a leaderboard over donors estimates."""
    generator = np.random.default_rng(20240914)  # the same donors for every level
    chunks = [min(50_000, n_draws - start) for start in range(0, n_draws, 50_000)]
    sums = [_new_donors(population, level, n=n, generator=generator).sum() for n in chunks]
    return float(np.sum(sums) / n_draws)


def expected_score_within(
    population: Population, donor: Donor, *, level: float, n_draws: int = N_DRAWS_WITHIN
) -> float:
    """Return the expected macro F1 of a new seed on new cells of this donor, as many of each type.

    `level` is how good the arm is on this donor. This is what a leaderboard over the cells of one donor estimates.
    """
    generator = np.random.default_rng(20240915)
    counts = np.bincount(donor.label, minlength=population.n_labels)
    luck = generator.normal(0, np.hypot(population.seed, population.seed_donor), (n_draws, 1))
    counts_of = np.broadcast_to(counts, (n_draws, population.n_labels))
    ease = level + donor.ease + luck
    return float(_scores(population, ease, counts_of, generator=generator).mean())


def level_of(population: Population, score: float, *, around: float) -> float:
    """Return the level whose expected macro F1 is `score`, by a cubic through levels within 0.5 of `around`."""
    levels = around + np.linspace(-0.5, 0.5, 5)
    scores = [expected_score(population, level, n_draws=N_DRAWS // 4) for level in levels]
    rise = np.polynomial.Polynomial.fit(levels, scores, 3)
    fine = np.linspace(levels[0], levels[-1], 100_001)
    return float(fine[np.abs(rise(fine) - score).argmin()])


def macro_f1_of_tables(tables: np.ndarray) -> np.ndarray:
    """Return macro F1 (n,) of tables (n, n_labels, n_labels) of cells by true and by predicted type.

    F1 is 2 · precision · recall / (precision + recall), 0 where nothing is right; types without a true cell do not count.
    """
    hits = np.einsum("nkk->nk", tables).astype(float)
    true, guessed = tables.sum(axis=2), tables.sum(axis=1)
    recall, precision = hits / np.maximum(true, 1), hits / np.maximum(guessed, 1)
    f1 = 2 * precision * recall / np.where(hits > 0, precision + recall, 1.0)
    return np.asarray((f1 * (true > 0)).sum(axis=1) / (true > 0).sum(axis=1))


def _new_donors(
    population: Population, level: float, *, n: int, generator: np.random.Generator
) -> np.ndarray:
    """Return macro F1 (n,) of new seeds on new donors."""
    low, high = population.n_cells
    n_cells = generator.integers(low, high + 1, n)
    shares = generator.dirichlet(population.evenness * np.array(population.shares), n)
    of_type = generator.normal(0, population.donor_type, (n, population.n_labels))
    spreads = (population.donor, population.donor_arm, population.seed, population.seed_donor)
    of_all = generator.normal(0, np.sqrt(np.square(spreads).sum()), (n, 1))
    ease = level + np.array(population.ease) + of_type + of_all
    counts = generator.multinomial(n_cells, shares)
    return _scores(population, ease, counts, generator=generator)


def _scores(
    population: Population, ease: np.ndarray, counts: np.ndarray, *, generator: np.random.Generator
) -> np.ndarray:
    """Return macro F1 (n,) of cells, `counts` (n, n_labels) of each type, that are as easy as `ease` (n, n_labels)."""
    of_cell = (population.cell, population.cell_arm, population.cell_seed)
    spread = np.sqrt(np.square(of_cell).sum())
    hits = generator.binomial(counts, norm.cdf(ease / spread))
    taken_for = population.taken_for
    tables = np.stack(
        [
            generator.multinomial(counts[:, k] - hits[:, k], taken_for[k])
            for k in range(population.n_labels)
        ],
        axis=1,
    )
    codes = np.arange(population.n_labels)
    tables[:, codes, codes] += hits
    return macro_f1_of_tables(tables)
