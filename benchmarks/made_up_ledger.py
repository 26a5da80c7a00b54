"""Ledgers of sweeps that never ran: records as large as real ones, and predictions that give the scores they record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sslbench.cli.counted import LabelsLeft
from sslbench.cli.question import Question, write_question
from sslbench.durable import sha256
from sslbench.leaderboard.statistics import macro_f1
from sslbench.ledger import JOB, RESULT, Job, Ledger
from sslbench.results import CurvePoint, Outcome, Stage, TrialRecord, TrialResult, suffix_at
from sslbench.search.spec import SweepSpec

KNN, SHARES = "val/knn/macro_f1", (0.05, 0.2)
REPORTS, UPDATES = 8, 75  # of a trial that is not stopped, and between two of them
TYPES = tuple(f"type {i}" for i in range(12))
DONORS = (("d1",), ("d2",), ("d1", "d2", "d3"), ("d4", "d5", "d6"), tuple("abcdef"))
WATCHED = ("pretext/loss", "pretext/gradient_norm", "pretext/hidden_fraction", "embedding/rank")
WATCHED += ("embedding/deviation", "embedding/alignment", "embedding/uniformity")
SSL = {"mae_masking": "masked", "joint_embedding": "byol"}
BASELINES = ("supervised", "pca", "random_init")


@dataclass(frozen=True, kw_only=True)
class MadeUp:
    """How much is made: a folder a sweep and data set, each with four arms."""

    sweeps: tuple[str, ...] = tuple(SSL)
    datasets: tuple[str, ...] = ("blood", "lung", "tumour", "kidney", "retina")
    trials: int = 245  # of the search, an arm
    seeds: int = 5
    cells: int = 1_000  # on test
    weights: int = 1_000_000  # bytes of a confirmed encoder

    @property
    def records(self) -> int:
        """The trials of all sweeps together."""
        n_arms = len(self.sweeps) * len(self.datasets) * (1 + len(BASELINES))
        return n_arms * (self.trials + self.seeds)


def write_ledgers(ledgers: Path, size: MadeUp) -> None:
    """Write a folder a sweep and data set below `ledgers`; the same size gives the same records."""
    for i, dataset in enumerate(size.datasets):
        for k, sweep in enumerate(size.sweeps):
            made = _Sweep(sweep, dataset, size=size, number=len(size.sweeps) * i + k)
            ledger = Ledger(ledgers / f"{sweep}-{dataset}")
            write_question(ledger, made.question())
            for job, record, frame in made.trials():
                _write(ledger, job, record, frame=frame, weights=size.weights)


class _Sweep:
    """One sweep on one data set."""

    def __init__(self, sweep: str, dataset: str, *, size: MadeUp, number: int) -> None:
        self.sweep, self.dataset, self.size, self.number = sweep, dataset, size, number
        self.donors = DONORS[size.datasets.index(dataset) % len(DONORS)]
        self.random, self.clock = np.random.default_rng([7, number]), 1_700_000_000_000
        arms = {name: _arm(name) for name in (SSL[sweep], *BASELINES)}
        self.spec = SweepSpec.model_validate(
            {
                "question": "Does pretraining help on these cells?",
                "dataset": {"name": dataset},
                "budget": {"trials": size.trials, "confirm_seeds": size.seeds},
                "evaluation": [{"name": "knn"}, {"name": "linear_probe"}],
                "label_fractions": SHARES if sweep == "mae_masking" else (),
                "arms": arms,
            }
        )
        random = np.random.default_rng([9, len(dataset), ord(dataset[0])])
        self.label = np.sort(random.integers(len(TYPES), size=size.cells))

    def question(self) -> Question:
        """Return what stands beside the trials."""
        shares = self.spec.label_fractions
        left = [LabelsLeft(fraction=f, n_labels=round(5_000 * f)) for f in (1.0, *shares)]
        return Question(
            sweep=self.sweep,
            execution=f"{self.number:012d}",
            asked_unix_ms=1_700_000_000_000 + self.number,
            spec=self.spec.model_dump(mode="json", by_alias=True),
            data=_manifest(self.dataset, donors=self.donors, n_test=self.size.cells),
            store="store",
            labels_left=tuple(left) if shares else (),
        )

    def trials(self) -> Iterator[tuple[Job, TrialRecord, pd.DataFrame | None]]:
        """Yield every trial; confirm trials with predictions, of the recipe that is best by validation."""
        for position, arm in enumerate(self.spec.arms):
            level = float(self.random.normal(0.8 - 0.04 * position, 0.03))
            best, chosen = -1.0, {}
            for i in range(self.size.trials):
                params = {"training/learning_rate": float(10 ** self.random.uniform(-4, -2))}
                value = level - 0.05 + float(self.random.normal(0, 0.02))
                stopped = i % 2 == 1
                yield (*self._trial(arm, "search", params, value=value, stopped=stopped), None)
                if value > best and not stopped:
                    best, chosen = value, params
            for seed in range(1, self.size.seeds + 1):
                frame, scores = self._predictions(level)
                job, record = self._trial(
                    arm, "confirm", chosen, value=best, seed=seed, scores=scores
                )
                yield job, record, frame

    def _trial(
        self,
        arm: str,
        stage: Stage,
        params: dict[str, Any],
        *,
        value: float,
        stopped: bool = False,
        seed: int = 0,
        scores: dict[str, float] | None = None,
    ) -> tuple[Job, TrialRecord]:
        config = self.spec.config(arm, params, seed=seed)
        job = Job(arm=arm, stage=stage, params=params, config=config, data_fingerprint="f" * 16)
        curve = self._curve(value, n=2 if stopped else REPORTS)
        result = TrialResult(
            scores=scores or {KNN: value},
            best_updates=curve[-1].updates,
            updates=curve[-1].updates,
            seconds=20.0,
            curve=curve,
            n_parameters=100_000,
            regime=self.spec.arms[arm].regime,
        )
        self.clock += 10_000
        outcome: Outcome = "stopped" if stopped else "finished"
        record = TrialRecord(
            uid=job.uid,
            arm=arm,
            stage=stage,
            attempt=1,
            outcome=outcome,
            params=params,
            config=config.model_dump(mode="json"),
            recipe=config.recipe(),
            dataset=self.dataset,
            data_fingerprint="f" * 16,
            objective=KNN,
            objective_value=value,
            result=None if stopped else result,
            curve=curve if stopped else (),
            provenance={
                "sslbench": "0.1.0",
                "python": "3.11",
                "commit": "0" * 40,
                "dirty": "false",
            },
            started_unix_ms=self.clock - 9_000,
            ended_unix_ms=self.clock,
        )
        return job, record

    def _curve(self, value: float, *, n: int) -> tuple[CurvePoint, ...]:
        seen = [value - 0.3 * 0.5**i for i in range(n - 1)] + [value]
        return tuple(
            CurvePoint(
                updates=UPDATES * (i + 1),
                seconds=2.0 * i,
                unix_ms=1_700_000_000_000 + 2_000 * i,
                values={f"train/{name}": float(self.random.random()) for name in WATCHED}
                | {KNN: at},
            )
            for i, at in enumerate(seen)
        )

    def _predictions(self, level: float) -> tuple[pd.DataFrame, dict[str, float]]:
        """Return predicted codes of the test cells, right as often as `level` says, and the scores they give."""
        n, label = self.size.cells, self.label
        columns = {
            "row_id": np.arange(n),
            "donor": [self.donors[i % len(self.donors)] for i in range(n)],
            "label": label,
        }
        scores: dict[str, float] = {}
        for share in (1.0, *self.spec.label_fractions):
            end = "" if share == 1.0 else suffix_at(share)
            for position, task in enumerate(("knn", "linear_probe")):
                right = self.random.random(n) < level - 0.02 * position - 0.1 * (1 - share)
                other = (label + self.random.integers(1, len(TYPES), size=n)) % len(TYPES)
                columns[f"predicted{end}/{task}"] = guessed = np.where(right, label, other)
                scores[f"val/{task}/macro_f1{end}"] = level - 0.02 * position
                scores[f"test/{task}/macro_f1{end}"] = macro_f1(label, guessed)
        return pd.DataFrame(columns), scores


def _arm(pretext: str) -> dict[str, Any]:
    encoder = {"name": "linear"} if pretext == "pca" else {"name": "mlp"}
    rate = {"training/learning_rate": {"log_float": [1e-4, 1e-2]}}
    return {"pretext": {"name": pretext}, "encoder": encoder, "search": rate}


def _manifest(dataset: str, *, donors: tuple[str, ...], n_test: int) -> dict[str, Any]:
    return {
        "dataset": dataset, "title": "made up", "source": "", "licence": "", "citation": "", "fingerprint": "f" * 16,
        "split_hash": "", "source_file": "", "source_sha256": "", "counts_slot": "X", "counts_reason": "whole numbers",
        "n_cells": 7_000, "n_genes": 2_000, "n_genes_in_source": 20_000, "n_top_genes": 2_000,
        "n_empty_cells_dropped": 0, "n_excluded_cells": 0, "label_names": TYPES, "excluded_labels": {},
        "n_unlabelled": 0, "split_by": "donor", "split_rule": "", "files": {},
        "cells_per_split": {"train": 5_000, "val": 1_000, "test": n_test},
        "donors_per_split": {"train": ("t",), "val": ("v",), "test": donors},
        "leak_checks": (("duplicates", True, "none"),),
    }  # fmt: skip


def _write(
    ledger: Ledger, job: Job, record: TrialRecord, *, frame: pd.DataFrame | None, weights: int
) -> None:
    """Write a trial as its worker leaves it, without waiting for the disk each time."""
    folder = ledger.trials / job.uid
    attempt = folder / "attempt-1"
    attempt.mkdir(parents=True)
    (folder / JOB).write_text(job.model_dump_json(indent=1), encoding="utf-8")
    if frame is not None:
        (attempt / "checkpoint").mkdir()
        (attempt / "checkpoint" / "encoder.safetensors").write_bytes(bytes(weights))
        (attempt / "checkpoint" / "genes.txt").write_text(json.dumps(list(range(2_000))))
        frame.to_parquet(attempt / "predictions.parquet")
        kept = [file for file in sorted(attempt.rglob("*")) if file.is_file()]
        files = {file.relative_to(attempt).as_posix(): sha256(file) for file in kept}
        record = record.model_copy(update={"files": files})
    (attempt / RESULT).write_text(record.model_dump_json(indent=1), encoding="utf-8")
