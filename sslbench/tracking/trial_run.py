"""One trial of the ledger as one run of MLflow: made, continued, ended, given up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sslbench.discretion import without_home
from sslbench.durable import beside, remove
from sslbench.ledger import Attempt, Job, Ledger
from sslbench.results import CurvePoint, TrialRecord
from sslbench.tracking.description import (
    STATUS,
    ended_tags,
    final_values,
    planned_tags,
    run_name,
    run_params,
    shown_values,
)
from sslbench.tracking.experiment import Experiment, Metric, Shown
from sslbench.tracking.figures import write_figures


@dataclass
class TrialRun:
    """A planned trial, its place in the order of planning, and how much of its curves has been sent."""

    ledger: Ledger
    uid: str
    job: Job
    order: int  # from 1
    label_names: Sequence[str]  # in the order of their codes

    def __post_init__(self) -> None:
        self._sent: dict[int, int] = {}  # attempt → points

    def forget(self) -> None:
        """Send everything once more at the next occasion; what had arrived stays as it is."""
        self._sent.clear()

    def show(self, experiment: Experiment, *, newest_dead: int) -> int:
        """Bring the run up to date; return the number of changes.

        Attempts up to `newest_dead` have nobody who works on them any more.
        """
        attempt, shown = self.ledger.attempt(self.uid), experiment.trials.get(self.uid)
        if attempt is None or (shown is not None and shown.shipped == attempt.number):
            return 0
        record, changes = attempt.record(), 0
        if shown is None:
            shown, changes = self._open(experiment, attempt, record), 1
        if record is not None:
            self._end(experiment, shown, attempt, record)
            return changes + 1
        changes += self._send_curves(experiment, shown)
        if attempt.number <= newest_dead:
            return changes + experiment.orphan(shown)
        return changes + experiment.reopen(shown)

    def _open(self, experiment: Experiment, attempt: Attempt, record: TrialRecord | None) -> Shown:
        shown = experiment.open_trial(
            self.uid,
            name=run_name(self.job, order=self.order),
            tags=planned_tags(self.job),
            start_unix_ms=_started(attempt, record),
        )
        if record is None:
            experiment.log(shown, params=run_params(self.job))
        return shown

    def _send_curves(self, experiment: Experiment, shown: Shown) -> int:
        metrics = self._new_points()
        experiment.log(shown, metrics=metrics)
        return 1 if metrics else 0

    def _new_points(self) -> list[Metric]:
        """Return the new points of every attempt, so that a rebuilt run equals one that was shown live."""
        metrics: list[Metric] = []
        for attempt in self.ledger.attempts(self.uid):
            points = attempt.curve()
            for point in points[self._sent.get(attempt.number, 0) :]:
                values = shown_values(point.values, stage=self.job.stage)
                metrics += to_metrics(values, step=point.updates, unix_ms=point.unix_ms)
            self._sent[attempt.number] = len(points)
        return metrics

    def _end(
        self, experiment: Experiment, shown: Shown, attempt: Attempt, record: TrialRecord
    ) -> None:
        # at the last step of all: MLflow sorts runs by the value there, and the kept weights are what counts
        last = max([p.updates for p in (*self._reports(), *record.reports)], default=0)
        scores = to_metrics(final_values(record), step=last, unix_ms=record.ended_unix_ms)
        experiment.unmark(shown)
        experiment.log(
            shown,
            metrics=[*self._new_points(), *scores],
            params=run_params(self.job),
            tags=ended_tags(record),
        )
        self._send_files(experiment, shown, attempt, record)
        experiment.end(
            shown,
            status=STATUS[record.outcome],
            unix_ms=record.ended_unix_ms,
            attempt=attempt.number,
        )

    def _reports(self) -> Iterator[CurvePoint]:
        for attempt in self.ledger.attempts(self.uid):
            yield from attempt.curve()

    def _send_files(
        self, experiment: Experiment, shown: Shown, attempt: Attempt, record: TrialRecord
    ) -> None:
        if record.failure is not None and record.failure.traceback:
            text = without_home(record.failure.traceback)
            with _passing_folder(self.ledger) as folder:
                (folder / "traceback.txt").write_text(text, encoding="utf-8")
                experiment.log_folder(shown, folder, to="failure")
        if record.stage != "confirm" or record.result is None:
            return
        if any(name.startswith("checkpoint/") for name in record.files):
            experiment.log_folder(shown, attempt.folder / "checkpoint", to="checkpoint")
        with _passing_folder(self.ledger) as folder:
            write_figures(record, attempt=attempt.folder, label_names=self.label_names, to=folder)
            experiment.log_folder(shown, folder, to="figures")


@contextmanager
def _passing_folder(ledger: Ledger) -> Iterator[Path]:
    """Have a folder for files that are made to be sent; what a kill leaves of it goes when the trial is sent again.

    MLflow's own ways to send a text or a figure leave theirs in the system's temporary folder for ever.
    """
    folder = beside(ledger.folder / "upload")
    folder.mkdir()
    try:
        yield folder
    finally:
        remove([folder])


def _started(attempt: Attempt, record: TrialRecord | None) -> int | None:
    """Return when a trial began, as far as its files say."""
    if record is not None:
        return record.started_unix_ms
    first = next(iter(attempt.curve()), None)
    return None if first is None else first.unix_ms - round(1000 * first.seconds)


def to_metrics(values: Mapping[str, float], *, step: int, unix_ms: int) -> Iterator[Metric]:
    """Yield the values as points of their curves."""
    for key, value in values.items():
        yield Metric(key=key, value=value, step=step, unix_ms=unix_ms)
