"""What the truth is, found cell by cell instead of by tables of types."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from benchmarks.simulation.population import Donor, Population, draw_donor, predict
from benchmarks.simulation.truth import (
    expected_score,
    expected_score_within,
    level_of,
    macro_f1_of_tables,
)

POPULATION = Population()


def slow_macro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    labels = np.unique(truth)
    return float(f1_score(truth, predicted, labels=labels, average="macro", zero_division=0.0))


def predicted_once(donor: Donor, level: float, generator: np.random.Generator) -> float:
    """Macro F1 of one new seed."""
    luck = generator.normal(0, POPULATION.seed, 1)
    (guessed,) = predict(
        POPULATION, donor, level=level, luck=luck, n_protocols=1, generator=generator
    )
    return slow_macro_f1(donor.label, guessed[0])


def test_macro_f1_of_tables_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    for n_labels in (2, 4, 6):
        truth = generator.integers(0, n_labels, 40)
        truth[truth == 1] = 0  # a type that no cell has
        predicted = generator.integers(0, n_labels, 40)
        table = np.zeros((1, n_labels, n_labels), dtype=int)
        np.add.at(table, (0, truth, predicted), 1)
        assert macro_f1_of_tables(table)[0] == pytest.approx(slow_macro_f1(truth, predicted))


def test_the_expected_score_is_the_mean_over_new_donors_cell_by_cell() -> None:
    generator, level = np.random.default_rng(1), 1.2
    found = []
    for _ in range(1500):
        suits = generator.normal(0, POPULATION.donor_arm)
        donor = draw_donor(POPULATION, generator)
        found.append(predicted_once(donor, level + suits, generator))
    error = np.std(found) / np.sqrt(len(found))
    assert expected_score(POPULATION, level, n_draws=100_000) == pytest.approx(
        np.mean(found), abs=3.5 * error
    )
    assert error < 0.002


def test_the_expected_score_within_a_donor_is_the_mean_over_its_new_cells() -> None:
    generator, level = np.random.default_rng(2), 1.2
    donor = draw_donor(POPULATION, generator)
    found = []
    for _ in range(600):
        cell = generator.normal(0, POPULATION.cell, len(donor.label))
        found.append(predicted_once(replace(donor, cell=cell), level, generator))
    error = np.std(found) / np.sqrt(len(found))
    expected = expected_score_within(POPULATION, donor, level=level)
    assert expected == pytest.approx(np.mean(found), abs=4 * error)
    assert abs(expected - expected_score(POPULATION, level, n_draws=50_000)) > 4 * error


def test_a_level_is_found_again_from_its_score() -> None:
    score = expected_score(POPULATION, 1.5, n_draws=100_000)
    assert level_of(POPULATION, score, around=1.3) == pytest.approx(1.5, abs=0.015)
