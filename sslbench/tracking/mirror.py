"""MLflow as a projection of the ledger: read what is on disk, show what is not shown yet, as often as one likes."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Mapping
from pathlib import Path

from sslbench.champion import champion
from sslbench.ledger import JOB, Ledger
from sslbench.results import TrialRecord
from sslbench.tracking.client import tracking_failures
from sslbench.tracking.experiment import FINISHED, KILLED, Experiment
from sslbench.tracking.facts import Ending, ProjectionFacts
from sslbench.tracking.registry import register_champion
from sslbench.tracking.store import artifact_root, count_rows, ensure_store
from sslbench.tracking.trial_run import TrialRun, to_metrics
from sslbench.tracking.ui import experiment_note


class Mirror:
    """Brings one MLflow store up to date with one ledger.

    Made before the sweep starts its workers: an attempt that is there already belongs to a sweep that is over, so it
    is finished or dead. Only the sweep's owner may make one.
    """

    def __init__(self, ledger: Ledger, uri: str, facts: ProjectionFacts) -> None:
        self.ledger, self.uri, self.facts = ledger, uri, facts
        self._over = self._attempts()
        self._runs: dict[str, TrialRun] = {}  # by uid, in the order of planning
        self._experiment: Experiment | None = None
        self._parent_was: str | None = None  # its status when it was found

    @property
    def experiment_id(self) -> str | None:
        """The experiment's id in MLflow; None until the store has answered."""
        return None if self._experiment is None else self._experiment.experiment_id

    def step(self) -> int:
        """Show what is new in the ledger; return the number of changes, 0 when MLflow is up to date.

        Raises
        ------
        One of `tracking_failures()`; the next step begins by reading what did arrive.
        """
        try:
            experiment, changes = self._connected()
            self._read_jobs()
            for uid, run in self._runs.items():
                changes += run.show(experiment, newest_dead=self._over.get(uid, 0))
        except tracking_failures():
            self._forget()
            raise
        return changes

    def close(self, ending: Ending | None) -> None:
        """Show the last of it; no run stays RUNNING. Without an `ending` the sweep was interrupted.

        Raises
        ------
        One of `tracking_failures()`; closing again goes on where it broke off.
        """
        changes = 1
        while changes:
            self._over = self._attempts()
            changes = self.step()
        try:
            experiment, _ = self._connected()
            experiment.clear_strays()
            self._end_parent(experiment, ending)
            count_rows(self.uri)
        except tracking_failures():
            self._forget()
            raise

    def _forget(self) -> None:
        self._experiment = None
        for run in self._runs.values():
            run.forget()

    def _connected(self) -> tuple[Experiment, int]:
        if self._experiment is not None:
            return self._experiment, 0
        ensure_store(self.uri, self.facts.home)
        artifacts = artifact_root(self.uri, self.facts.home)
        experiment = Experiment(
            self.uri, name=self.facts.sweep, artifacts=artifacts, owner=self._owner()
        )
        experiment.describe(experiment_note(experiment.experiment_id, self.facts))
        if self._parent_was is None and experiment.parent is not None:
            self._parent_was = experiment.parent.status
        changes = experiment.open_parent(
            name=self._parent_name(), tags=self._parent_tags(), start_unix_ms=self._began()
        )
        changes += experiment.clear_strays()
        self._experiment = experiment
        return experiment, changes

    def _owner(self) -> dict[str, str]:
        return {
            "sslbench.sweep": self.facts.sweep,
            "sslbench.execution": self.facts.execution,
            "sslbench.ledger": ledger_id(self.ledger.folder),
        }

    def _parent_name(self) -> str:
        return f"{self.facts.sweep} on {self.facts.dataset}"

    def _parent_tags(self) -> dict[str, str]:
        tags = {"sslbench.stage": "sweep", "sslbench.dataset": self.facts.dataset}
        return tags | {"mlflow.note.content": self.facts.question}

    def _attempts(self) -> dict[str, int]:
        """Return the number of each trial's latest attempt, by uid; trials without one are left out."""
        uids = [file.parent.name for file in self.ledger.trials.glob(f"*/{JOB}")]
        latest = {uid: self.ledger.attempt(uid) for uid in uids}
        return {uid: attempt.number for uid, attempt in latest.items() if attempt is not None}

    def _began(self) -> int | None:
        """Return when the first trial was planned; None if none has been."""
        times = [file.stat().st_mtime for file in self.ledger.trials.glob(f"*/{JOB}")]
        return round(1000 * min(times)) if times else None

    def _read_jobs(self) -> None:
        """Take in the jobs planned since the last step; those known are not read again."""
        files = list(self.ledger.trials.glob(f"*/{JOB}"))
        new = [file for file in files if file.parent.name not in self._runs]
        for file in sorted(new, key=lambda f: (f.stat().st_mtime_ns, f.parent.name)):
            uid = file.parent.name
            try:
                job = self.ledger.job(uid)
            except KeyError:  # the disk has damaged its plan; the others are shown
                continue
            self._runs[uid] = TrialRun(
                self.ledger,
                uid,
                job,
                order=len(self._runs) + 1,
                label_names=self.facts.label_names,
            )

    def _end_parent(self, experiment: Experiment, ending: Ending | None) -> None:
        records = self.ledger.records()
        ended = max((r.ended_unix_ms for r in records.values()), default=0)
        if ending is not None:
            self._show_ending(experiment, ending, unix_ms=ended)
            self._crown(experiment, records)
        was_whole = self._parent_was == FINISHED and set(self._runs) <= set(records)
        finished = ending is not None or was_whole
        experiment.close_parent(status=FINISHED if finished else KILLED, unix_ms=ended)

    def _show_ending(self, experiment: Experiment, ending: Ending, *, unix_ms: int) -> None:
        assert experiment.parent is not None
        parent = experiment.parent
        for file in ending.report_files:
            experiment.log_file(parent, file, to="report")
        clicks = experiment_note(experiment.experiment_id, self.facts, run_id=parent.run_id)
        note = f"{self.facts.question}\n\n**{ending.verdict}**\n\n{clicks}"
        experiment.log(
            parent,
            metrics=to_metrics(ending.summary, step=0, unix_ms=unix_ms),
            tags={"mlflow.note.content": note, "sslbench.verdict": ending.verdict},
        )

    def _crown(self, experiment: Experiment, records: Mapping[str, TrialRecord]) -> None:
        best = champion(records.values())
        if best is None:
            return
        attempt = self.ledger.attempt(best.record.uid)
        assert attempt is not None
        folder = attempt.folder / "checkpoint"
        register_champion(experiment, best, folder=folder, task=self.facts.task)


def ledger_id(folder: Path) -> str:
    """Return 16 hex digits that name a ledger on a machine, and betray neither."""
    place = f"{socket.gethostname()}:{folder.resolve()}"
    return hashlib.sha256(place.encode()).hexdigest()[:16]
