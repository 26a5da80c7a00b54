"""What a Ray worker runs: one trial of the ledger, recorded before Tune hears of it."""

from __future__ import annotations

import gc
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ray import tune

from sslbench.disk import is_full
from sslbench.errors import CollapsedError, DivergedError
from sslbench.ledger import RESUME, Attempt, Job, Ledger
from sslbench.machine import machine
from sslbench.pretraining import OnReport
from sslbench.results import CurvePoint, Failure, FailureKind, TrialRecord, TrialResult
from sslbench.resumption import Resumption, code_and_machine
from sslbench.search.halving import is_scheduled_by
from sslbench.search.stall import watched
from sslbench.trial import run_trial

NO_SPACE = "no_space"  # in what a trial tells Tune that could not be written: where


def run_job(
    config: dict[str, Any],
    *,
    ledger: str,
    store: str,
    corpus: str | None,
    device: str,
    threads: int,
    stall_timeout_seconds: float,
    provenance: dict[str, str],
) -> None:
    """Run the trial `config["uid"]`; the only thing Tune gets are numbers to schedule by."""
    torch.set_num_threads(threads)
    book, uid = Ledger(Path(ledger)), config["uid"]
    place = Place(
        store=Path(store),
        corpus=Path(corpus) if corpus else None,
        device=device,
        stall_timeout_seconds=stall_timeout_seconds,
        provenance={**provenance, **machine(device, threads=threads)},
    )
    try:
        record = book.record(uid) or _run(book, book.job(uid), place)
    except Exception as error:
        if not is_full(error):
            raise
        # the disk's fault, not the trial's: it runs again once there is space
        where = str(getattr(error, "filename", None) or ledger)
        tune.report({"updates": 0, "objective": 0.0, "ended": True, NO_SPACE: where})
        return
    tune.report(
        {
            "updates": _last_updates(record),
            "objective": record.score or 0.0,
            "ended": True,
        }
    )


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a trial finds its cells, and what it runs on."""

    store: Path
    corpus: Path | None  # opened by trials whose configuration names a corpus
    device: str
    stall_timeout_seconds: float
    provenance: dict[str, str]


@dataclass(frozen=True)
class Ending:
    """What came of one attempt: one of the two is there."""

    result: TrialResult | None
    failure: Failure | None


def _run(book: Ledger, job: Job, place: Place) -> TrialRecord:
    """Try a trial, once more if memory ran out, and record how it ended."""
    attempt, resumption, ending = _attempted(book, job, place)
    if ending.failure is not None and ending.failure.kind == "oom":
        _free_memory()
        attempt, resumption, ending = _attempted(book, job, place)
    record = job.ended(
        attempt,
        "finished" if ending.result is not None else "failed",
        result=ending.result,
        failure=ending.failure,
        provenance=place.provenance,
        started_unix_ms=_began(resumption),
    )
    attempt.finish(record)
    return record


def _attempted(book: Ledger, job: Job, place: Place) -> tuple[Attempt, Resumption, Ending]:
    earlier = [a.folder / RESUME for a in book.attempts(job.uid)]
    attempt = book.new_attempt(job.uid)
    resumption = Resumption(
        attempt.folder / RESUME, earlier=earlier, made_with=code_and_machine(place.provenance)
    )
    with watched(attempt.folder, seconds=place.stall_timeout_seconds) as alive:
        try:
            result = run_trial(
                job.config,
                store=place.store,
                corpus=place.corpus if job.config.corpus else None,
                workdir=attempt.folder,
                report=_reporter(job, attempt, resumption, alive),
                device=place.device,
                score_test=job.stage == "confirm",
                provenance=place.provenance,
                resumption=resumption,
                alive=alive,
            )
        # The one place where any failure of a trial is caught: it becomes a record, and the sweep goes on.
        # A stop by the scheduler is SystemExit, which passes.
        except Exception as error:
            if is_full(error):
                raise
            return attempt, resumption, Ending(None, _failure(error))
    return attempt, resumption, Ending(result, None)


def _reporter(
    job: Job, attempt: Attempt, resumption: Resumption, alive: Callable[[], None]
) -> OnReport:
    best = float("-inf")

    def report(point: CurvePoint) -> None:
        nonlocal best
        attempt.append(point)
        alive()
        best = max(best, point.values[job.config.objective])
        if is_scheduled_by(point, max_updates=job.config.training.max_updates):
            started = _began(resumption)
            tune.report({"updates": point.updates, "objective": best, "started_unix_ms": started})
            alive()  # Tune may have let it wait

    return report


def _free_memory() -> None:
    gc.collect()
    torch.cuda.empty_cache()  # does nothing where no GPU is in use


def _began(resumption: Resumption) -> int:
    """Return when the trial would have begun had it never been interrupted, in ms of unix time."""
    return time.time_ns() // 1_000_000 - round(1000 * resumption.seconds)


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
