"""What a Ray worker runs: one trial of the ledger, recorded before Tune hears of it."""

from __future__ import annotations

import time
import traceback
from pathlib import Path
from typing import Any, NamedTuple

import torch
from ray import tune

from sslbench.disk import is_full
from sslbench.errors import CollapsedError, DivergedError
from sslbench.ledger import Attempt, Job, Ledger
from sslbench.machine import machine
from sslbench.results import CurvePoint, Failure, FailureKind, TrialRecord, TrialResult
from sslbench.search.halving import is_scheduled_by
from sslbench.trial import run_trial


def run_job(
    config: dict[str, Any],
    *,
    ledger: str,
    store: str,
    corpus: str | None,
    device: str,
    threads: int,
    provenance: dict[str, str],
) -> None:
    """Run the trial `config["uid"]`; the only thing Tune gets are numbers to schedule by."""
    torch.set_num_threads(threads)
    book, uid = Ledger(Path(ledger)), config["uid"]
    cells = Cells(store=Path(store), corpus=Path(corpus) if corpus else None)
    made_with = {**provenance, **machine(device, threads=threads)}
    record = book.record(uid) or _run(book, uid, cells, device, made_with)
    tune.report(
        {
            "updates": _last_updates(record),
            "objective": record.score or 0.0,
            "ended": True,
        }
    )


class Cells(NamedTuple):
    """Where a trial finds its cells."""

    store: Path
    corpus: Path | None  # opened by trials whose configuration names a corpus


def _run(
    book: Ledger, uid: str, cells: Cells, device: str, provenance: dict[str, str]
) -> TrialRecord:
    job, attempt, started = book.job(uid), book.new_attempt(uid), time.time_ns() // 1_000_000
    try:
        result: TrialResult | None = run_trial(
            job.config,
            store=cells.store,
            corpus=cells.corpus if job.config.corpus else None,
            workdir=attempt.folder,
            report=_reporter(job, attempt, started),
            device=device,
            score_test=job.stage == "confirm",
            provenance=provenance,
        )
        failure = None
    # The one place where any failure of a trial is caught: it becomes a record, and the sweep goes on.
    # A stop by the scheduler is SystemExit, which passes.
    except Exception as error:
        if is_full(error):  # the disk's fault, not the trial's: it runs again once there is space
            raise
        result, failure = None, _failure(error)
    record = job.ended(
        attempt,
        "finished" if result is not None else "failed",
        result=result,
        failure=failure,
        provenance=provenance,
        started_unix_ms=started,
    )
    attempt.finish(record)
    return record


def _reporter(job: Job, attempt: Attempt, started: int) -> Any:
    best = float("-inf")

    def report(point: CurvePoint) -> None:
        nonlocal best
        attempt.append(point)
        best = max(best, point.values[job.config.objective])
        if is_scheduled_by(point, max_updates=job.config.training.max_updates):
            tune.report({"updates": point.updates, "objective": best, "started_unix_ms": started})

    return report


def _failure(error: Exception) -> Failure:
    text = "".join(traceback.format_exception(error))
    return Failure(
        kind=failure_kind(error), message=f"{type(error).__name__}: {error}", traceback=text
    )


def failure_kind(error: Exception) -> FailureKind:
    """Return the kind under which a failed trial is listed."""
    if isinstance(error, DivergedError):
        return "diverged"
    if isinstance(error, CollapsedError):
        return "collapsed"
    return "oom" if _is_out_of_memory(error) else "error"


def _is_out_of_memory(error: Exception) -> bool:
    # on a CPU, torch says so in the text of a RuntimeError only
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def _last_updates(record: TrialRecord) -> int:
    return record.reports[-1].updates if record.reports else 0
