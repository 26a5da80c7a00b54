"""A simulated sweep: search trials, confirm trials and test predictions of arms whose quality is known, ranked for real."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from benchmarks.simulation.population import LABELS, Donor, Population, draw_donor, predict
from benchmarks.simulation.truth import macro_f1_of_tables
from sslbench.leaderboard.board import Leaderboard
from sslbench.leaderboard.facts import PlannedArm, SweepFacts
from sslbench.leaderboard.ranking import rank_arms
from sslbench.results import MetricKey, Regime, Stage, TrialRecord, TrialResult, chosen_trial

PROTOCOLS = ("knn", "linear_probe")  # equally good, so that validation chooses by luck
OBJECTIVE = "val/knn/macro_f1"


@dataclass(frozen=True, kw_only=True)
class SimulatedArm:
    """One arm; all its recipes are equally good."""

    name: str
    regime: Regime
    level: float  # latent: how good it is


@dataclass(frozen=True, kw_only=True)
class Design:
    """A benchmark that can be drawn again and again."""

    arms: tuple[SimulatedArm, ...]
    n_donors: int  # of test; one validates, as in `pbmc_cite`
    population: Population = field(default_factory=Population)
    n_seeds: int = 5
    n_trials: int = 8

    def level(self, arm: str) -> float:
        """Return how good an arm is."""
        return next(a.level for a in self.arms if a.name == arm)


@dataclass(frozen=True, kw_only=True)
class SimulatedSweep:
    """What `rank_arms` takes, and what nobody knows of a real sweep."""

    design: Design
    records: tuple[TrialRecord, ...]
    predictions: Mapping[str, pd.DataFrame]
    donors: tuple[Donor, ...]  # of test
    levels: Mapping[str, np.ndarray]  # arm → how good it is on each test donor, (n_donors,)

    def ranked(self) -> Leaderboard:
        """Return the leaderboard that a reader would see."""
        return rank_arms(self.records, self.predictions, _facts(self.design))

    def best_search_score(self, arm: str) -> float:
        """Return the validation score by which the search chose the arm's recipe."""
        chosen = chosen_trial(self.records, arm)
        assert chosen is not None
        assert chosen.objective_value is not None
        return chosen.objective_value


def simulate(design: Design, generator: np.random.Generator) -> SimulatedSweep:
    """Draw one sweep: every arm is searched and confirmed on the same donors."""
    population = design.population
    donors = tuple(draw_donor(population, generator) for _ in range(1 + design.n_donors))
    records: list[TrialRecord] = []
    predictions: dict[str, pd.DataFrame] = {}
    levels = {}
    for arm in design.arms:
        of_donor = arm.level + generator.normal(0, population.donor_arm, len(donors))
        luck = generator.normal(0, population.seed, design.n_trials + design.n_seeds)
        guesses = [
            predict(
                population,
                donor,
                level=level,
                luck=luck if donor is donors[0] else luck[design.n_trials :],
                n_protocols=len(PROTOCOLS),
                generator=generator,
            )
            for donor, level in zip(donors, of_donor, strict=True)
        ]
        validation = _macro_f1(donors[0].label, guesses[0])  # (n_protocols, n_trials + n_seeds)
        searched = [
            _record(arm, i, "search", {OBJECTIVE: float(validation[0, i])})
            for i in range(design.n_trials)
        ]
        confirmed, frames = _confirmed(arm, donors[1:], guesses[1:], validation, searched)
        records += [*searched, *confirmed]
        predictions |= frames
        levels[arm.name] = of_donor[1:]
    return SimulatedSweep(
        design=design,
        records=tuple(records),
        predictions=predictions,
        donors=donors[1:],
        levels=levels,
    )


def _confirmed(
    arm: SimulatedArm,
    donors: tuple[Donor, ...],
    guesses: list[np.ndarray],
    validation: np.ndarray,
    searched: list[TrialRecord],
) -> tuple[list[TrialRecord], dict[str, pd.DataFrame]]:
    """Return the confirm trials of the chosen recipe, one a seed, and what they predict of the test cells."""
    best = max(range(len(searched)), key=lambda i: (searched[i].objective_value or 0.0, -i))
    label = np.concatenate([donor.label for donor in donors])
    guessed = np.concatenate(guesses, axis=2)  # (n_protocols, n_seeds, n_cells)
    test = _macro_f1(label, guessed)
    names = np.array([f"d{n:02d}" for n in range(len(donors))], dtype=object)
    cells = {
        "row_id": np.arange(len(label)),
        "donor": np.repeat(names, [len(donor.label) for donor in donors]),
        "label": label,
    }
    records, frames = [], {}
    for seed in range(guessed.shape[1]):
        scores = {}
        for position, protocol in enumerate(PROTOCOLS):
            of_val = validation[position, len(searched) + seed]
            scores[str(MetricKey("val", protocol, "macro_f1"))] = float(of_val)
            scores[str(MetricKey("test", protocol, "macro_f1"))] = float(test[position, seed])
        record = _record(arm, 1000 + seed, "confirm", scores, recipe=searched[best].recipe)
        records.append(record)
        predicted = {f"predicted/{p}": guessed[i, seed] for i, p in enumerate(PROTOCOLS)}
        frames[record.uid] = pd.DataFrame(cells | predicted)
    return records, frames


def _macro_f1(label: np.ndarray, guessed: np.ndarray) -> np.ndarray:
    """Return macro F1 (n_protocols, n_seeds) of predicted codes (n_protocols, n_seeds, n_cells)."""
    n_labels = len(LABELS)
    rows = guessed.reshape(-1, guessed.shape[-1])
    cell_of = (np.arange(len(rows))[:, None] * n_labels + label) * n_labels + rows
    tables = np.bincount(cell_of.ravel(), minlength=len(rows) * n_labels**2)
    scores = macro_f1_of_tables(tables.reshape(len(rows), n_labels, n_labels))
    return scores.reshape(guessed.shape[:-1])


def _record(
    arm: SimulatedArm, seed: int, stage: Stage, scores: dict[str, float], *, recipe: str = ""
) -> TrialRecord:
    return TrialRecord(
        uid=f"{arm.name}-{seed}",
        arm=arm.name,
        stage=stage,
        attempt=1,
        outcome="finished",
        params={},
        config={"seed": seed, "encoder": {"name": "mlp"}},
        recipe=recipe or f"recipe{seed}",
        dataset="simulated",
        data_fingerprint="simulated",
        objective=OBJECTIVE,
        objective_value=scores[OBJECTIVE],
        result=TrialResult(
            scores=scores,
            best_updates=1,
            updates=1,
            seconds=1.0,
            curve=(),
            n_parameters=1,
            regime=arm.regime,
        ),
        provenance={},
        started_unix_ms=seed,
        ended_unix_ms=seed + 1,
    )


def _facts(design: Design) -> SweepFacts:
    return SweepFacts(
        sweep="simulated",
        question="How often is what the leaderboard says true?",
        dataset="simulated",
        data_line="",
        split_line="",
        label_names=LABELS,
        excluded_labels=(),
        test_donors=tuple(f"d{n:02d}" for n in range(design.n_donors)),
        budget_trials=design.n_trials,
        confirm_seeds=design.n_seeds,
        objective=OBJECTIVE,
        versions=(),
        commit="",
        arms=tuple(
            PlannedArm(
                name=arm.name,
                pretext=arm.name,
                encoder="mlp",
                regime=arm.regime,
                n_trials=design.n_trials,
            )
            for arm in design.arms
        ),
    )
