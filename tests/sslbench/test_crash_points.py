"""A trial of the ledger is interrupted at each of its calls to the file system; afterwards it is whole, or runs again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sslbench.durable import beside, sha256
from sslbench.ledger import CURVE, RESULT, Job, Ledger
from sslbench.search.agenda import Agenda
from tests.sslbench.crash_points import How, broken, crashed, dead, each_call, full, powerless
from tests.sslbench.search.test_agenda import agenda, drive
from tests.sslbench.syncs import noted
from tests.sslbench.test_ledger import finished, job, point

FEWEST_CALLS = 30  # a trial makes; fewer were counted only if some are not seen
WAYS: dict[str, Callable[[Path], How]] = {
    "dead": lambda folder: dead,
    "crashed": lambda folder: crashed,
    "full": lambda folder: full,
    "broken": lambda folder: broken,
    "powerless": powerless,
}


def run_whole_trial(ledger: Ledger, the_job: Job) -> None:
    """Plan, attempt, report three times, leave files as a confirm trial does, and finish."""
    ledger.plan(the_job)
    attempt = ledger.new_attempt(the_job.uid)
    for updates, value in enumerate((0.3, 0.4, 0.5)):
        attempt.append(point(updates, value))
    # nobody syncs these: pandas and safetensors write them
    (attempt.folder / "predictions.parquet").write_text("predictions")
    new = beside(attempt.folder / "checkpoint")
    new.mkdir()
    (new / "genes.txt").write_text("CD3E")
    (new / "encoder.safetensors").write_text("weights")
    os.rename(new, attempt.folder / "checkpoint")
    attempt.finish(finished(the_job, attempt, 0.3, 0.4, 0.5))


def contents(folder: Path) -> dict[str, str]:
    return {str(f): sha256(f) for f in folder.rglob("*") if f.is_file()}


@pytest.mark.parametrize("way", WAYS)
def test_interrupted_at_any_call_a_trial_is_whole_or_runs_again_and_no_other_is_touched(
    tmp_path: Path, way: str
) -> None:
    whole = []

    def interrupt(at: int) -> bool:
        folder = tmp_path / str(at)
        ledger, other, the_job = Ledger(folder), job(seed=1), job()
        run_whole_trial(ledger, other)
        before = contents(ledger.trials / other.uid)
        was_interrupted = WAYS[way](folder)(lambda: run_whole_trial(ledger, the_job), at)
        recovered(Ledger(folder), the_job)
        assert contents(ledger.trials / other.uid) == before
        return was_interrupted

    def recovered(ledger: Ledger, the_job: Job) -> None:
        record = ledger.record(the_job.uid)
        whole.append(record is not None)
        assert ledger.damaged(ledger.records()) == []
        for attempt in ledger.attempts(the_job.uid):
            n_reports = len(attempt.curve())
            assert [p.updates for p in attempt.curve()] == list(range(n_reports))
        if record is None:
            run_whole_trial(ledger, the_job)
        record = ledger.records()[the_job.uid]
        assert record.outcome == "finished"
        assert len(record.files) == 3
        assert ledger.jobs()[the_job.uid] == the_job
        assert list(ledger.folder.rglob("*.tmp")) == []

    assert len(each_call(interrupt)) >= FEWEST_CALLS
    # once there is a record there is one after every later crash too
    assert whole == sorted(whole)
    assert whole[0] is False


def test_a_full_disk_leaves_no_temporary_file_of_the_ledger(tmp_path: Path) -> None:
    def run(ledger: Ledger) -> None:
        ledger.plan(job())
        attempt = ledger.new_attempt(job().uid)
        attempt.append(point(0, 0.5))
        attempt.finish(finished(job(), attempt, 0.5))

    def interrupt(at: int) -> bool:
        ledger = Ledger(tmp_path / str(at))
        was_interrupted = full(lambda: run(ledger), at)
        assert list(ledger.folder.rglob("*.tmp")) == []
        return was_interrupted

    assert len(each_call(interrupt)) >= FEWEST_CALLS // 2


def test_a_sweep_that_is_interrupted_at_any_call_asks_for_the_same_trials_and_repeats_none(
    tmp_path: Path,
) -> None:
    drive(agenda(tmp_path / "undisturbed", trials=1, confirm_seeds=1), concurrent=1)
    expected = Ledger(tmp_path / "undisturbed").records().keys()

    def interrupt(at: int) -> bool:
        folder = tmp_path / str(at)
        was_interrupted = crashed(lambda: drive(plan(folder), concurrent=1), at)
        before = records_of(folder)
        drive(plan(folder), concurrent=1)
        after = records_of(folder)
        assert after.keys() == expected
        assert before.items() <= after.items()
        assert list(folder.rglob("*.tmp")) == []
        return was_interrupted

    def plan(folder: Path) -> Agenda:
        return agenda(folder, trials=1, confirm_seeds=1)

    assert len(each_call(interrupt)) >= FEWEST_CALLS


def records_of(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of the record of each trial that has ended, by uid and attempt."""
    found = {}
    for uid, record in Ledger(folder).records().items():
        file = folder / "trials" / uid / f"attempt-{record.attempt}" / RESULT
        found[uid] = f"{record.attempt} {sha256(file)}"
    return found


def test_what_a_record_vouches_for_was_on_the_disk_before_it(tmp_path: Path) -> None:
    """Without this, a power cut after the end of a trial would take its files, and with them the trial."""
    ledger = Ledger(tmp_path)
    powerless(tmp_path)(lambda: run_whole_trial(ledger, job()), -1)
    record = Ledger(tmp_path).record(job().uid)
    assert record is not None
    attempt = ledger.attempt(job().uid)
    assert attempt is not None
    assert (
        attempt.folder / CURVE
    ).read_bytes() == b""  # the one file that nobody syncs: the record has it
    assert json.loads((attempt.folder / RESULT).read_text())["uid"] == job().uid


def test_the_names_of_what_a_record_vouches_for_were_on_the_disk_before_it_and_its_own_is(
    tmp_path: Path,
) -> None:
    """A file that is synced can still be lost by its name: that belongs to its folder."""
    ledger = Ledger(tmp_path)
    ledger.plan(job())
    attempt = ledger.new_attempt(job().uid)
    (attempt.folder / "checkpoint").mkdir()
    (attempt.folder / "checkpoint" / "weights").write_bytes(b"w")
    record = job().ended(attempt, "finished", provenance={}, started_unix_ms=0)
    events = noted(lambda: attempt.finish(record))
    written = events.index(str(attempt.folder / RESULT))
    assert (attempt.folder / "checkpoint").stat().st_ino in events[:written]
    assert attempt.folder.stat().st_ino in events[written:]
