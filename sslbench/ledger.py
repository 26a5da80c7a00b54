"""The records of a sweep on disk: the truth from which Optuna, MLflow and the leaderboard are rebuilt at will.

    <folder>/sweep.json                          the resolved question
    <folder>/trials/<uid>/job.json               written before anyone runs the trial
    <folder>/trials/<uid>/attempt-<n>/curve.jsonl    one line per report, as it happens
    <folder>/trials/<uid>/attempt-<n>/resume/        where the next attempt goes on; removed when the trial has ended
    <folder>/trials/<uid>/attempt-<n>/result.json    written last: the trial has ended
    <folder>/trials/<uid>/attempt-<n>/…          what the record's `files` names (checkpoint, predictions, …)

Only the highest attempt counts, so a late writer of an earlier one changes nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from sslbench.config import TrialConfig, fingerprint
from sslbench.durable import (
    half_written,
    is_intact,
    remove,
    sealed,
    settle,
    sha256,
    unsealed,
    write_atomically,
)
from sslbench.errors import SetupError
from sslbench.metric_versions import metric_versions
from sslbench.results import (
    RECORD_SCHEMA,
    CurvePoint,
    Failure,
    Outcome,
    Stage,
    TrialRecord,
    TrialResult,
)

JOB, CURVE, RESULT = "job.json", "curve.jsonl", "result.json"
RESUME, STACK = "resume", "stack.txt"  # of a trial that runs; what is in them is no result
ATTEMPT = "attempt-"


class Job(BaseModel):
    """One trial to run: what, for which arm, in which stage, on which data."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    arm: str
    stage: Stage
    params: dict[str, Any]
    config: TrialConfig
    data_fingerprint: str

    @property
    def uid(self) -> str:
        """16 hex digits: the same arm, stage, configuration and data are the same trial."""
        return fingerprint(
            [self.arm, self.stage, self.config.model_dump(mode="json"), self.data_fingerprint]
        )

    def ended(
        self,
        attempt: Attempt,
        outcome: Outcome,
        *,
        provenance: dict[str, str],
        started_unix_ms: int,
        result: TrialResult | None = None,
        failure: Failure | None = None,
    ) -> TrialRecord:
        """Return the record of this trial as it ended in `attempt`."""
        curve = () if result is not None else attempt.curve()
        objective = self.config.objective
        seen = [p.values[objective] for p in (result.curve if result is not None else curve)]
        return TrialRecord(
            uid=self.uid,
            arm=self.arm,
            stage=self.stage,
            attempt=attempt.number,
            outcome=outcome,
            params=self.params,
            config=self.config.model_dump(mode="json"),
            recipe=self.config.recipe(),
            dataset=self.config.dataset.name,
            data_fingerprint=self.data_fingerprint,
            objective=objective,
            objective_value=max(seen, default=None),
            result=result,
            failure=failure,
            curve=curve,
            provenance=provenance,
            metric_versions=metric_versions(
                (task.name for task in self.config.evaluation), confirm=self.stage == "confirm"
            ),
            started_unix_ms=started_unix_ms,
            ended_unix_ms=time.time_ns() // 1_000_000,
            files=attempt.hashes(),
        )


class Attempt:
    """The folder of one try at one trial; its writer owns it alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = _number(folder.name)

    def append(self, point: CurvePoint) -> None:
        """Add one report to the curve; a line torn by a crash is ignored by readers."""
        with (self.folder / CURVE).open("a", encoding="utf-8") as file:
            file.write(point.model_dump_json() + "\n")

    def curve(self) -> tuple[CurvePoint, ...]:
        """Return the reports so far, in order."""
        file = self.folder / CURVE
        if not file.exists():
            return ()
        text = file.read_text(encoding="utf-8", errors="replace")
        return tuple(_whole_points(text.splitlines()))

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of every file of this attempt but the curve, the record and what only a running trial has."""
        half = {f.name for f in half_written(self.folder)}  # of a writer that died
        left_out = {CURVE, RESULT, RESUME, STACK, *half}
        files = {f.relative_to(self.folder): f for f in sorted(self.folder.rglob("*"))}
        kept = {name: f for name, f in files.items() if name.parts[0] not in left_out}
        return {name.as_posix(): sha256(f) for name, f in kept.items() if f.is_file()}

    def finish(self, record: TrialRecord) -> None:
        """Write the record, last and atomically, of files that are on the disk: from here on the trial has ended."""
        files = {Path(name) for name in record.files}
        for path in files | {folder for file in files for folder in file.parents}:
            settle(self.folder / path)
        write_atomically(self.folder / RESULT, sealed(record.model_dump_json(indent=1)))
        for kept in self.folder.parent.glob(f"{ATTEMPT}*/{RESUME}"):
            shutil.rmtree(kept, ignore_errors=True)

    def record(self, *, reads: Collection[str] | None = None) -> TrialRecord | None:
        """Return the record if it is whole and its files are what it says; otherwise None.

        `reads` names the files that the caller will open, where it will open no others: only they are checked.
        """
        file = f"{self.folder}/{RESULT}"  # a Path takes as long as reading it, thousands of times
        try:
            with open(file, encoding="utf-8", errors="replace") as handle:
                text = handle.read()
        except FileNotFoundError:
            return None
        body = unsealed(text)
        if body is None:
            return None
        try:
            record = TrialRecord.model_validate_json(body)
        except ValidationError:
            _refuse_newer(body, Path(file))
            return None
        asked = record.files if reads is None else record.files.keys() & reads
        whole = all(is_intact(self.folder / name, record.files[name]) for name in asked)
        return record if whole else None


class Ledger:
    """All trials of one sweep on one data set."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trials = folder / "trials"

    def plan(self, job: Job) -> None:
        """Write down that this trial will run, before anything else hears of it."""
        folder = self.trials / job.uid
        folder.mkdir(parents=True, exist_ok=True)
        if _read_job(folder / JOB) is None:
            write_atomically(folder / JOB, sealed(job.model_dump_json(indent=1)))
            for above in (self.trials, self.folder):  # a name belongs to the folder it is in
                settle(above)

    def jobs(self) -> dict[str, Job]:
        """Return every planned trial by uid, oldest first."""
        files = [(f.stat().st_mtime_ns, f.parent.name, f) for f in self.trials.glob(f"*/{JOB}")]
        jobs = {uid: _read_job(f) for _, uid, f in sorted(files)}
        return {uid: job for uid, job in jobs.items() if job is not None}

    def job(self, uid: str) -> Job:
        """Return a planned trial."""
        job = _read_job(self.trials / uid / JOB)
        if job is None:
            raise KeyError(f"no trial {uid} is planned in {self.folder}")
        return job

    def new_attempt(self, uid: str) -> Attempt:
        """Create the next attempt's folder; two writers never get the same one. What earlier ones left half written goes."""
        earlier = self.attempts(uid)
        for attempt in earlier:
            remove(half_written(attempt.folder))
        number = max((a.number for a in earlier), default=0)
        while True:
            number += 1
            folder = self.trials / uid / f"{ATTEMPT}{number}"
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            settle(folder.parent)
            return Attempt(folder)

    def attempts(self, uid: str) -> list[Attempt]:
        """Return the tries at a trial, earliest first."""
        folders = (self.trials / uid).glob(f"{ATTEMPT}*")
        tries = [Attempt(folder) for folder in folders if _number(folder.name) and folder.is_dir()]
        return sorted(tries, key=lambda a: a.number)

    def attempt(self, uid: str) -> Attempt | None:
        """Return the attempt that counts: the latest."""
        return next(reversed(self.attempts(uid)), None)

    def record(self, uid: str) -> TrialRecord | None:
        """Return the record of a trial that has ended, or None."""
        return attempt.record() if (attempt := self.attempt(uid)) else None

    def records(self, *, reads: Collection[str] | None = None) -> dict[str, TrialRecord]:
        """Return the records of all trials that have ended, by uid, in the order they ended.

        A record holds its whole configuration, so that the plan beside it is not read. `reads`: see `Attempt.record`.
        """
        found = {uid: attempt.record(reads=reads) for uid, attempt in self._latest()}
        ended = {uid: record for uid, record in found.items() if record is not None}
        return dict(sorted(ended.items(), key=lambda item: (item[1].ended_unix_ms, item[0])))

    def damaged(self, records: Collection[str]) -> list[str]:
        """Return the trials, none of those in `records`, that have ended and whose record or files are not as written."""
        unread = ((uid, attempt) for uid, attempt in self._latest() if uid not in records)
        return sorted(u for u, a in unread if (a.folder / RESULT).exists() and a.record() is None)

    def _latest(self) -> Iterator[tuple[str, Attempt]]:
        """Yield the uid and the attempt that counts of every planned trial that has one: one look at each folder."""
        trials = os.scandir(self.trials) if self.trials.is_dir() else ()
        for trial in filter(os.DirEntry.is_dir, trials):
            inside = {entry.name: entry for entry in os.scandir(trial)}
            tries = {n: f for name, f in inside.items() if (n := _number(name)) and f.is_dir()}
            if JOB in inside and tries:
                yield trial.name, Attempt(Path(tries[max(tries)]))


def _number(name: str) -> int:
    """Return the number in the name of an attempt's folder; 0 if it is no such name."""
    digits = name.removeprefix(ATTEMPT)
    return int(digits) if name.startswith(ATTEMPT) and digits.isdecimal() else 0


def _read_job(file: Path) -> Job | None:
    """Return a planned trial; None if there is none or the disk has damaged it."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    whole = unsealed(text)
    try:
        return None if whole is None else Job.model_validate_json(whole)
    except ValidationError as error:
        # without a seal it is one of ours with a flipped byte: a newer sslbench seals too
        if whole != text and "extra_forbidden" in {problem["type"] for problem in error.errors()}:
            raise SetupError(
                "this trial was planned by a newer sslbench", code="S010", where=str(file),
                fix="upgrade sslbench, or use --fresh",
            ) from error  # fmt: skip
        return None


def _whole_points(lines: list[str]) -> Iterator[CurvePoint]:
    for line in lines:
        try:
            yield CurvePoint.model_validate_json(line)
        except ValidationError:
            return


def _refuse_newer(text: str, file: Path) -> None:
    try:
        version = json.loads(text).get("schema_version", 0)
    except (ValueError, AttributeError, RecursionError):
        return
    if isinstance(version, int) and version > RECORD_SCHEMA:
        raise SetupError(
            f"this record was written by a newer sslbench (schema {version}, here {RECORD_SCHEMA})",
            code="S010", where=str(file), fix="upgrade sslbench",
        )  # fmt: skip
