"""What a worker runs: every ending is a record, on disk before Tune hears of it."""

import functools
import math
from contextlib import contextmanager

import pytest
import torch

from sslbench.config import TrialConfig
from sslbench.errors import CollapsedError, DataError, DivergedError
from sslbench.ledger import RESUME, STACK, Job, Ledger
from sslbench.machine import machine
from sslbench.pretext.base import Loss
from sslbench.registry import PRETEXTS
from sslbench.resumption import Resumption
from sslbench.search import trainable
from sslbench.search.trainable import failure_kind, run_job
from tests.factories import synthetic_store

OBJECTIVE = "val/knn/macro_f1"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return synthetic_store(tmp_path_factory.mktemp("store"))


class Worker:
    """A ledger with one planned trial, and the reports that Tune got."""

    def __init__(self, folder, store, monkeypatch, *, stage="search", **training):
        self.ledger, self.store = Ledger(folder), store
        config = {
            "dataset": {"name": "synthetic"},
            "pretext": {"name": "supervised"},
            "encoder": {"name": "mlp", "width": 16, "embedding_dim": 8},
            "evaluation": [{"name": "knn"}],
            "training": {"max_updates": 6, "evaluate_every": 2, "minibatch_size": 16} | training,
        }
        self.job = Job(
            arm="supervised",
            stage=stage,
            params={},
            config=TrialConfig.model_validate(config),
            data_fingerprint="d",
        )
        self.ledger.plan(self.job)
        self.reports, self.on_disk = [], []
        monkeypatch.setattr(trainable.tune, "report", self.hear)

    def hear(self, numbers):
        attempt = self.ledger.attempt(self.job.uid)
        self.reports.append(numbers)
        self.on_disk.append((len(attempt.curve()), attempt.record() is not None))

    def run(self):
        threads = torch.get_num_threads()
        try:
            run_job(
                {"uid": self.job.uid},
                ledger=str(self.ledger.folder),
                store=str(self.store),
                corpus=None,
                device="cpu",
                threads=1,
                stall_timeout_seconds=600.0,
                provenance={"commit": "c"},
            )
        finally:
            torch.set_num_threads(threads)

    def record(self):
        return self.ledger.record(self.job.uid)


@pytest.fixture
def worker(tmp_path, store, monkeypatch):
    return Worker(tmp_path, store, monkeypatch)


def test_a_finished_trial_is_recorded_with_scores_curve_and_provenance(worker):
    worker.run()
    record = worker.record()
    assert record.outcome == "finished"
    assert record.result.scores[OBJECTIVE] == record.objective_value
    assert record.result.curve[-1].updates == 6
    assert record.provenance == {"commit": "c", **machine("cpu", threads=1)}
    assert record.provenance["threads"] == "1"
    assert 0 < record.started_unix_ms <= record.ended_unix_ms
    assert not [key for key in record.result.scores if key.startswith("test/")]


def test_tune_hears_of_a_report_when_it_is_on_disk_and_of_the_end_when_the_record_is(worker):
    worker.run()
    *during, end = worker.on_disk
    assert [whole for _, whole in during] == [False] * len(during)
    updates = [p.updates for p in worker.record().reports]
    assert [updates[n - 1] for n, _ in during] == [r["updates"] for r in worker.reports[:-1]]
    assert end[1] is True
    assert worker.reports[-1]["ended"] is True


def test_tune_gets_the_best_so_far_as_finite_numbers(worker):
    worker.run()
    told = [numbers["objective"] for numbers in worker.reports[:-1]]
    assert told == sorted(told)
    assert all(math.isfinite(value) for value in told)
    values = [p.values[OBJECTIVE] for p in worker.record().reports]
    assert worker.reports[-1]["objective"] == max(values)


def test_a_confirm_trial_is_scored_on_test_cells_and_leaves_a_checkpoint(
    tmp_path, store, monkeypatch
):
    worker = Worker(tmp_path, store, monkeypatch, stage="confirm")
    worker.run()
    record = worker.record()
    assert "test/knn/macro_f1" in record.result.scores
    assert "predictions.parquet" in record.files
    assert any(name.startswith("checkpoint/") for name in record.files)


@pytest.mark.parametrize(
    "error, kind",
    [
        (DivergedError("loss is nan"), "diverged"),
        (CollapsedError("rank 1"), "collapsed"),
        (MemoryError("host"), "oom"),
        (torch.OutOfMemoryError("device"), "oom"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "oom"),
        (RuntimeError("shape"), "error"),
        (DataError("no cells"), "error"),
        (KeyError("x"), "error"),
    ],
)
def test_a_trial_that_raises_is_a_record_of_its_kind_and_has_no_scores(
    worker, monkeypatch, error, kind
):
    def raising(*arguments, **named):
        raise error

    monkeypatch.setattr(trainable, "run_trial", raising)
    worker.run()
    record = worker.record()
    assert failure_kind(error) == kind
    assert (record.outcome, record.failure.kind, record.result) == ("failed", kind, None)
    assert type(error).__name__ in record.failure.message
    assert "raising" in record.failure.traceback
    assert math.isfinite(worker.reports[-1]["objective"])


def running_out_of_memory(monkeypatch, *, times):
    """The first `times` trials stop after two reports, with memory that has run out."""
    whole, tried = trainable.run_trial, []

    def run_trial(*arguments, report, **named):
        tried.append(1)

        def reported(point):
            report(point)
            if len(tried) <= times and point.updates == 4:
                raise MemoryError

        return whole(*arguments, report=reported, **named)

    monkeypatch.setattr(trainable, "run_trial", run_trial)
    return tried


def test_a_trial_for_which_memory_ran_out_once_is_tried_again_in_the_same_worker(
    worker, monkeypatch
):
    tried = running_out_of_memory(monkeypatch, times=1)
    worker.run()
    assert (worker.record().outcome, worker.record().attempt, len(tried)) == ("finished", 2, 2)


def test_one_for_which_it_runs_out_again_is_recorded_as_such(worker, monkeypatch):
    tried = running_out_of_memory(monkeypatch, times=9)
    worker.run()
    record = worker.record()
    assert (record.failure.kind, record.attempt, len(tried)) == ("oom", 2, 2)
    assert [p.updates for p in record.curve] == [2, 4]


def test_another_failure_is_not_tried_again(worker, monkeypatch):
    def raising(*arguments, **named):
        raise KeyError("x")

    monkeypatch.setattr(trainable, "run_trial", raising)
    worker.run()
    assert worker.record().attempt == 1


def keep_all(monkeypatch):
    """Keep the progress at every report, as a long trial does every ten seconds."""
    always = functools.partial(Resumption, every_seconds=0.0)
    monkeypatch.setattr(trainable, "Resumption", always)


def kill_at(worker, monkeypatch, updates):
    """Run the trial until it tells Tune of a report; the process is gone then."""
    hear = worker.hear

    def killed(numbers):
        if numbers["updates"] == updates:
            raise SystemExit
        hear(numbers)

    with monkeypatch.context() as patch:
        patch.setattr(trainable.tune, "report", killed)
        with pytest.raises(SystemExit):
            worker.run()


def test_the_next_attempt_goes_on_from_the_last_and_tells_tune_again_what_it_listens_to(
    tmp_path, store, monkeypatch
):
    straight = Worker(tmp_path / "straight", store, monkeypatch, max_updates=10)
    straight.run()
    keep_all(monkeypatch)
    worker = Worker(tmp_path / "killed", store, monkeypatch, max_updates=10)
    kill_at(worker, monkeypatch, 8)
    first = worker.ledger.attempt(worker.job.uid)
    assert [file.name for file in (first.folder / RESUME).iterdir()] == [
        "pretraining-0.safetensors"
    ]
    worker.reports.clear()
    worker.run()
    record, expected = worker.record(), straight.record()
    assert record.attempt == 2
    assert record.result.scores == expected.result.scores
    points = [(p.updates, p.values) for p in record.reports]
    assert points == [(p.updates, p.values) for p in expected.reports]
    assert worker.ledger.attempt(worker.job.uid).curve() == record.reports
    assert record.reports[:3] == first.curve()[:3]  # with the times at which they were made
    told = [{k: r[k] for k in ("updates", "objective")} for r in worker.reports]
    assert told == [{k: r[k] for k in ("updates", "objective")} for r in straight.reports]


@pytest.mark.parametrize("ending", ["finished", "failed", "stopped"])
def test_what_was_kept_is_gone_and_in_no_record_when_the_trial_has_ended(
    worker, monkeypatch, ending
):
    keep_all(monkeypatch)
    kill_at(worker, monkeypatch, 4)
    attempt = worker.ledger.attempt(worker.job.uid)
    assert (attempt.folder / RESUME).exists()
    if ending == "stopped":  # by the driver, while the worker waits
        attempt.finish(worker.job.ended(attempt, "stopped", provenance={}, started_unix_ms=0))
    else:
        if ending == "failed":
            running_out_of_memory(monkeypatch, times=9)
        worker.run()
    assert worker.record().outcome == ending
    assert not [name for name in worker.record().files if RESUME in name]
    assert list(worker.ledger.trials.rglob(RESUME)) == []


def test_a_short_trial_keeps_nothing(worker, monkeypatch):
    kill_at(worker, monkeypatch, 4)
    assert list(worker.ledger.trials.rglob(RESUME)) == []


def test_the_clock_runs_while_the_trial_does_and_its_file_is_no_result(worker, monkeypatch):
    running = []
    hear = worker.hear

    def hear_and_look(numbers):
        attempt = worker.ledger.attempt(worker.job.uid)
        running.append((attempt.folder / STACK).exists())
        assert attempt.hashes() == {}
        hear(numbers)

    monkeypatch.setattr(trainable.tune, "report", hear_and_look)
    worker.run()
    assert running == [True, True, False]
    assert worker.record().files == {}


def test_a_trial_says_that_it_lives_before_it_reports_and_after_because_tune_may_let_it_wait(
    worker, monkeypatch
):
    heard = []

    @contextmanager
    def watched(_, *, seconds):
        assert seconds == 600.0
        yield lambda: heard.append(len(worker.ledger.attempt(worker.job.uid).curve()))

    hear = worker.hear

    def hear_and_note(numbers):
        heard.append("Tune")
        hear(numbers)

    monkeypatch.setattr(trainable, "watched", watched)
    monkeypatch.setattr(trainable.tune, "report", hear_and_note)
    worker.run()
    n_points = [n for n, _ in worker.on_disk[:-1]]
    assert n_points == [1, 2]
    at = [place for place, what in enumerate(heard) if what == "Tune"][:-1]
    assert [heard[place - 1] for place in at] == n_points  # with the report's point on disk
    assert [heard[place + 1] for place in at] == n_points


def test_a_loss_that_diverges_is_recorded_as_such(worker, monkeypatch):
    supervised = PRETEXTS.load("supervised")
    whole = supervised.loss

    def diverging(self, minibatch, generator):
        value, logs = whole(self, minibatch, generator)
        return Loss(value * math.inf, logs)

    monkeypatch.setattr(supervised, "loss", diverging)
    worker.run()
    assert worker.record().failure.kind == "diverged"


def test_a_trial_that_collapses_tells_tune_of_no_objective_but_those_before(worker, monkeypatch):
    whole = trainable.run_trial

    def collapsing(*arguments, report, **named):
        def reported(point):
            if point.updates > 2:
                raise CollapsedError("rank 1")  # as in run_trial: before the report
            report(point)

        return whole(*arguments, report=reported, **named)

    monkeypatch.setattr(trainable, "run_trial", collapsing)
    worker.run()
    record = worker.record()
    assert (record.outcome, record.failure.kind, record.score) == ("failed", "collapsed", None)
    assert [numbers["updates"] for numbers in worker.reports] == [2, 2]
    assert worker.reports[-1] == {"updates": 2, "objective": 0.0, "ended": True}


def test_a_stop_by_the_scheduler_leaves_the_record_to_the_scheduler(worker, monkeypatch):
    def stop(numbers):
        raise SystemExit

    monkeypatch.setattr(trainable.tune, "report", stop)
    with pytest.raises(SystemExit):
        worker.run()
    assert worker.record() is None
    assert worker.ledger.attempt(worker.job.uid).curve()


def test_a_trial_that_has_ended_is_not_run_again(worker):
    worker.run()
    first = worker.record()
    worker.run()
    assert worker.record() == first
    assert len(worker.ledger.attempts(worker.job.uid)) == 1
    assert worker.reports[-1] == worker.reports[-1] | {"ended": True}


def test_one_trial_in_the_same_process_does_not_change_the_next(tmp_path, store, monkeypatch):
    fresh, reused = Worker(tmp_path / "a", store, monkeypatch), None
    fresh.run()
    other = Worker(tmp_path / "b", store, monkeypatch, learning_rate=0.1)
    other.run()
    torch.manual_seed(12345)
    reused = Worker(tmp_path / "c", store, monkeypatch)
    reused.run()
    assert reused.record().result.scores == fresh.record().result.scores
    assert other.record().config != fresh.record().config
