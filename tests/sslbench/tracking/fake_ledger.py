"""Ledgers of sweeps that never ran: jobs, curves and records written by hand through the ledger's own functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from sslbench.config import (
    DatasetChoice,
    EncoderChoice,
    EvaluationChoice,
    PretextChoice,
    TrainingOptions,
    TrialConfig,
)
from sslbench.ledger import Attempt, Job, Ledger
from sslbench.results import CurvePoint, Failure, Outcome, Stage, TrialRecord, TrialResult
from sslbench.tracking.facts import ProjectionFacts

START = 1_760_000_000_000
OBJECTIVE = "val/knn/macro_f1"


def facts_of(home: Path, *, execution: str = "e1") -> ProjectionFacts:
    return ProjectionFacts(
        sweep="mae_masking",
        question="Which mask is best?",
        execution=execution,
        dataset="pbmc_cite",
        objective=OBJECTIVE,
        home=home,
        label_names=("B", "NK", "T"),
    )


def ledger_at(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger" / "mae_masking-0123456789abcdef")


def job_of(*, arm: str = "mae", stage: Stage = "search", seed: int = 0, rate: float = 1e-3) -> Job:
    config = TrialConfig(
        dataset=DatasetChoice(name="pbmc_cite", n_top_genes=None),
        pretext=PretextChoice(name="random_init" if arm == "random_init" else "supervised"),
        encoder=EncoderChoice(name="mlp"),
        training=TrainingOptions(learning_rate=rate),
        evaluation=(EvaluationChoice(name="knn"), EvaluationChoice(name="linear_probe")),
        objective=OBJECTIVE,
        seed=seed,
    )
    return Job(
        arm=arm,
        stage=stage,
        params={"training/learning_rate": rate},
        config=config,
        data_fingerprint="d" * 16,
    )


def point(step: int, value: float) -> CurvePoint:
    values = {"train/pretext/loss": 2.0 - value, OBJECTIVE: value}
    return CurvePoint(updates=step, seconds=step / 100, unix_ms=START + 10 * step, values=values)


def begin(ledger: Ledger, job: Job, *, curve: tuple[float, ...] = (0.3, 0.5)) -> Attempt:
    """Plan a trial and write the reports of an attempt that has not ended."""
    ledger.plan(job)
    attempt = ledger.new_attempt(job.uid)
    for n, value in enumerate(curve, start=1):
        attempt.append(point(75 * n, value))
    return attempt


def end(
    job: Job,
    attempt: Attempt,
    *,
    outcome: Outcome = "finished",
    score: float = 0.5,
    failure: Failure | None = None,
) -> TrialRecord:
    """Write the record of an attempt; a confirm trial leaves a checkpoint, predictions and test scores."""
    if job.stage == "confirm" and outcome == "finished":
        write_files(attempt, score=score)
    points = attempt.curve()
    record = job.ended(
        attempt,
        outcome,
        provenance={"commit": "abc1234", "dirty": "no"},
        started_unix_ms=START,
        result=_result(job, points, score) if outcome == "finished" else None,
        failure=failure,
    )
    record = record.model_copy(update={"ended_unix_ms": START + 100_000})
    attempt.finish(record)
    return record


def _result(job: Job, curve: tuple[CurvePoint, ...], score: float) -> TrialResult:
    # a trial may well know its test scores; what is shown of them is decided elsewhere
    scores: dict[str, float] = {
        OBJECTIVE: score,
        "val/linear_probe/macro_f1": score - 0.1,
        "test/knn/macro_f1": score - 0.05,
    }
    return TrialResult(
        scores=scores,
        best_updates=150,
        updates=curve[-1].updates,
        seconds=1.5,
        curve=curve,
        n_parameters=1234,
        regime="self-supervised" if job.arm == "mae" else "supervised",
    )


def write_files(attempt: Attempt, *, score: float) -> None:
    folder = attempt.folder / "checkpoint"
    folder.mkdir()
    (folder / "encoder.safetensors").write_bytes(b"weights of " + str(score).encode())
    (folder / "labels.json").write_text('["B", "NK", "T"]')
    (folder / "checkpoint.json").write_text("{}")
    columns: dict[str, Any] = {
        "row_id": [0, 1, 2, 3],
        "donor": ["p4"] * 4,
        "label": [0, 1, 2, -1],
        "predicted/knn": [0, 1, 1, 2],
    }
    pd.DataFrame(columns).to_parquet(attempt.folder / "predictions.parquet", index=False)


def whole_sweep(ledger: Ledger) -> dict[str, Job]:
    """A finished, a stopped, a failed and a supervised search trial, and two confirm runs of `mae`."""
    jobs = {
        "finished": job_of(rate=1e-3),
        "stopped": job_of(rate=2e-3),
        "failed": job_of(rate=3e-3),
        "supervised": job_of(arm="supervised", rate=1e-3),
        "confirm 101": job_of(stage="confirm", seed=101, rate=1e-3),
        "confirm 102": job_of(stage="confirm", seed=102, rate=1e-3),
    }
    failure = Failure(kind="diverged", message="the loss is nan", traceback="Traceback: nan")
    end(jobs["finished"], begin(ledger, jobs["finished"]), score=0.6)
    end(jobs["stopped"], begin(ledger, jobs["stopped"]), outcome="stopped")
    end(jobs["failed"], begin(ledger, jobs["failed"]), outcome="failed", failure=failure)
    end(jobs["supervised"], begin(ledger, jobs["supervised"]), score=0.4)
    end(jobs["confirm 101"], begin(ledger, jobs["confirm 101"]), score=0.55)
    end(jobs["confirm 102"], begin(ledger, jobs["confirm 102"]), score=0.65)
    return jobs
