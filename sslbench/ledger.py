"""The records of a sweep on disk: the truth from which Optuna, MLflow and the leaderboard are rebuilt at will.

    <folder>/sweep.json                          the resolved question
    <folder>/trials/<uid>/job.json               written before anyone runs the trial
    <folder>/trials/<uid>/attempt-<n>/curve.jsonl    one line per report, as it happens
    <folder>/trials/<uid>/attempt-<n>/result.json    written last: the trial has ended
    <folder>/trials/<uid>/attempt-<n>/…          what the record's `files` names (checkpoint, predictions, …)

Only the highest attempt counts, so a late writer of an earlier one changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from sslbench.config import TrialConfig, fingerprint
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
        """Return the SHA-256 of every file of this attempt but the curve and the record."""
        files = [f for f in sorted(self.folder.rglob("*")) if f.is_file()]
        kept = [f for f in files if f.name != RESULT and f.name != CURVE]
        return {f.relative_to(self.folder).as_posix(): sha256(f) for f in kept}

    def finish(self, record: TrialRecord) -> None:
        """Write the record, last and atomically: from here on the trial has ended."""
        write_atomically(self.folder / RESULT, record.model_dump_json(indent=1))

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
        try:
            record = TrialRecord.model_validate_json(text)
        except ValidationError:
            _refuse_newer(text, Path(file))
            return None
        asked = record.files if reads is None else record.files.keys() & reads
        intact = all(self._is_intact(name, record.files[name]) for name in asked)
        return record if intact else None

    def _is_intact(self, name: str, digest: str) -> bool:
        file = self.folder / name
        return file.is_file() and sha256(file) == digest


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
            write_atomically(folder / JOB, job.model_dump_json(indent=1))
            sync_folder(self.trials)

    def jobs(self) -> dict[str, Job]:
        """Return every planned trial by uid, oldest first."""
        files = list(self.trials.glob(f"*/{JOB}"))
        files.sort(key=lambda f: (f.stat().st_mtime_ns, f.parent.name))
        jobs = {f.parent.name: _read_job(f) for f in files}
        return {uid: job for uid, job in jobs.items() if job is not None}

    def job(self, uid: str) -> Job:
        """Return a planned trial."""
        job = _read_job(self.trials / uid / JOB)
        if job is None:
            raise KeyError(f"no trial {uid} is planned in {self.folder}")
        return job

    def new_attempt(self, uid: str) -> Attempt:
        """Create the next attempt's folder; two writers never get the same one."""
        number = max((a.number for a in self.attempts(uid)), default=0)
        while True:
            number += 1
            folder = self.trials / uid / f"{ATTEMPT}{number}"
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            sync_folder(folder.parent)
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
        found = ((uid, attempt.record(reads=reads)) for uid, attempt in self._latest())
        ended = [(uid, record) for uid, record in found if record is not None]
        return dict(sorted(ended, key=lambda item: (item[1].ended_unix_ms, item[0])))

    def _latest(self) -> Iterator[tuple[str, Attempt]]:
        """Yield the uid and the attempt that counts of every planned trial that has one: one look at each folder."""
        trials = os.scandir(self.trials) if self.trials.is_dir() else ()
        for trial in filter(os.DirEntry.is_dir, trials):
            inside = {entry.name: entry for entry in os.scandir(trial)}
            tries = {n: f for name, f in inside.items() if (n := _number(name)) and f.is_dir()}
            if JOB in inside and tries:
                yield trial.name, Attempt(Path(tries[max(tries)]))


def write_atomically(file: Path, text: str) -> None:
    """Replace a file in one step that survives a crash: it holds the old text or the whole new one."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, file)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename or a new file in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _number(name: str) -> int:
    """Return the number in the name of an attempt's folder; 0 if it is no such name."""
    digits = name.removeprefix(ATTEMPT)
    return int(digits) if name.startswith(ATTEMPT) and digits.isdecimal() else 0


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _read_job(file: Path) -> Job | None:
    """Return a planned trial; None if there is none or the disk has damaged it."""
    try:
        return Job.model_validate_json(file.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        if any(problem["type"] == "extra_forbidden" for problem in error.errors()):
            raise SetupError(
                "this trial was planned by a newer sslbench",
                code="S010",
                where=str(file),
                fix="upgrade sslbench, or use --fresh",
            ) from error
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
            code="S010",
            where=str(file),
            fix="upgrade sslbench",
        )
