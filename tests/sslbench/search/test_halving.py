"""Stopping: within an arm only, never in the confirm stage, on disk before it happens, the same after a restart."""

import pytest

from sslbench.config import TrialConfig
from sslbench.ledger import Job, Ledger
from sslbench.results import CurvePoint, Failure, TrialResult
from sslbench.search.halving import ArmwiseHalving, is_scheduled_by
from sslbench.search.spec import Halving

OBJECTIVE = "val/knn/macro_f1"
RULE = Halving(first_rung=2, reduction_factor=2)  # rungs at 2, 4, 8, … updates
CONTINUE, STOP = "CONTINUE", "STOP"
DEFAULT = {"encoder/depth": 2}


class FakeTrial:
    """As much of a Tune trial as the scheduler looks at."""

    def __init__(self, name, job):
        self.trial_id = name
        self.config = {"uid": job.uid, "arm": job.arm, "stage": job.stage}


class Bench:
    """A ledger, a scheduler and trials that report by hand."""

    def __init__(self, folder, max_updates=16):
        self.ledger, self.max_updates = Ledger(folder), max_updates
        self.scheduler = ArmwiseHalving(
            self.ledger, RULE, provenance={"commit": "c"}, defaults={"mae": DEFAULT}
        )
        self.trials = {}

    def start(self, name, *, arm="mae", stage="search", params=None):
        config = TrialConfig.model_validate(
            {
                "dataset": {"name": "d"},
                "pretext": {"name": "pca"},
                "encoder": {"name": "linear"},
                "evaluation": [{"name": "knn"}],
                "training": {"max_updates": self.max_updates},
                "seed": len(self.trials),
            }
        )
        params = params or {}
        job = Job(arm=arm, stage=stage, params=params, config=config, data_fingerprint="f")
        self.ledger.plan(job)
        attempt = self.ledger.new_attempt(job.uid)
        trial = FakeTrial(name, job)
        self.trials[name] = (job, attempt, trial)
        self.scheduler.on_trial_add(None, trial)

    def report(self, name, updates, value):
        """Report as the worker does: on disk, then to Tune the best so far; return the decision."""
        _, attempt, trial = self.trials[name]
        point = CurvePoint(updates=updates, seconds=0, unix_ms=0, values={OBJECTIVE: value})
        attempt.append(point)
        if not is_scheduled_by(point, max_updates=self.max_updates):
            return CONTINUE
        best = max(p.values[OBJECTIVE] for p in attempt.curve())
        result = {"updates": updates, "objective": best, "started_unix_ms": 7}
        decision = self.scheduler.on_trial_result(None, trial, result)
        if decision == STOP:
            self.scheduler.on_trial_complete(None, trial, result)
        return decision

    def finish(self, name):
        job, attempt, trial = self.trials[name]
        curve = attempt.curve()
        result = TrialResult(
            scores={},
            best_updates=0,
            updates=curve[-1].updates,
            seconds=0,
            curve=curve,
            n_parameters=0,
            regime="untrained",
        )
        attempt.finish(
            job.ended(attempt, "finished", result=result, provenance={}, started_unix_ms=0)
        )
        ended = {"updates": curve[-1].updates, "objective": 0.0, "ended": True}
        assert self.scheduler.on_trial_result(None, trial, ended) == CONTINUE
        self.scheduler.on_trial_complete(None, trial, ended)

    def record(self, name):
        return self.ledger.record(self.trials[name][0].uid)

    def rungs(self):
        """What is noted at every rung of every arm, without the names of the trials."""
        return {
            name: {
                milestone: sorted(noted.values())
                for milestone, noted in arm._brackets[0]._rungs
                if noted
            }
            for name, arm in self.scheduler._arms.items()
        }


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_the_weaker_trial_at_a_rung_is_stopped(bench):
    bench.start("a")
    bench.start("b")
    assert bench.report("a", 2, 0.8) == CONTINUE
    assert bench.report("b", 2, 0.3) == STOP


def test_before_the_first_rung_nothing_is_stopped(bench):
    for name, value in (("a", 0.9), ("b", 0.1)):
        bench.start(name)
        assert bench.report(name, 1, value) == CONTINUE


def test_a_stop_is_on_disk_before_it_is_returned(bench):
    bench.start("a")
    bench.start("b")
    bench.report("a", 2, 0.8)
    bench.report("b", 1, 0.1)
    assert bench.record("b") is None
    bench.report("b", 2, 0.3)
    record = bench.record("b")
    assert record.outcome == "stopped"
    assert [p.updates for p in record.curve] == [1, 2]
    assert record.objective_value == 0.3
    assert (record.started_unix_ms, record.provenance) == (7, {"commit": "c"})


def test_a_trial_that_ended_meanwhile_is_not_stopped(bench):
    bench.start("a")
    bench.start("b")
    bench.report("a", 2, 0.8)
    bench.report("b", 1, 0.1)
    bench.finish("b")
    _, _, trial = bench.trials["b"]
    bench.scheduler.on_trial_add(None, trial)
    late = {"updates": 2, "objective": 0.1, "started_unix_ms": 7}
    assert bench.scheduler.on_trial_result(None, trial, late) == CONTINUE
    assert bench.record("b").outcome == "finished"


def test_arms_do_not_compete(bench):
    bench.start("good", arm="supervised")
    bench.start("weak", arm="mae")
    assert bench.report("good", 2, 0.95) == CONTINUE
    assert bench.report("weak", 2, 0.05) == CONTINUE
    bench.start("weaker", arm="mae")
    assert bench.report("weaker", 2, 0.04) == STOP
    assert bench.rungs() == {"supervised": {2: [0.95]}, "mae": {2: [0.04, 0.05]}}


def test_confirm_trials_always_run_to_their_end(bench):
    bench.start("a")
    bench.report("a", 2, 0.9)
    bench.start("confirm", stage="confirm")
    for updates in (2, 4, 8):
        assert bench.report("confirm", updates, 0.01) == CONTINUE
    bench.finish("confirm")
    assert bench.rungs() == {"mae": {2: [0.9]}}


def test_the_default_of_an_arm_runs_to_its_end_and_leaves_its_marks(bench):
    bench.start("a")
    for updates in (2, 4, 8):
        bench.report("a", updates, 0.9)
    bench.start("default", params=DEFAULT)
    for updates in (2, 4, 8):
        assert bench.report("default", updates, 0.01) == CONTINUE
    assert bench.record("default") is None
    assert bench.rungs()["mae"] == {updates: [0.01, 0.9] for updates in (8, 4, 2)}
    bench.start("the same elsewhere", arm="pca", params=DEFAULT)
    bench.start("better", arm="pca")
    bench.report("better", 2, 0.9)
    assert bench.report("the same elsewhere", 2, 0.1) == STOP


def test_the_final_report_never_stops(bench):
    bench.start("a")
    bench.report("a", 2, 0.9)
    bench.start("b")
    bench.report("b", 1, 0.1)
    bench.finish("b")
    assert bench.record("b").outcome == "finished"
    assert bench.rungs() == {"mae": {2: [0.9]}}


def test_a_trial_whose_process_died_leaves_its_marks_and_can_start_again(bench):
    bench.start("a")
    bench.report("a", 2, 0.9)
    _, _, trial = bench.trials["a"]
    bench.scheduler.on_trial_error(None, trial)
    bench.scheduler.on_trial_add(None, trial)
    assert bench.rungs() == {"mae": {2: [0.9]}}


@pytest.mark.parametrize("first, last, seen", [(0, 16, False), (1, 16, True), (16, 16, False)])
def test_the_first_and_the_last_report_decide_nothing(first, last, seen):
    point = CurvePoint(updates=first, seconds=0, unix_ms=0, values={})
    assert is_scheduled_by(point, max_updates=last) is seen


def sweep(bench):
    """Three arms' worth of trials whose scores go up and down, one at a time."""
    for i, (arm, values) in enumerate(
        [
            ("mae", [0.1, 0.5, 0.4, 0.7, 0.6, 0.8]),
            ("mae", [0.2, 0.6, 0.7, 0.1, 0.2, 0.3]),
            ("pca", [0.3, 0.2, 0.2, 0.2, 0.2, 0.2]),
            ("mae", [0.0, 0.1, 0.1, 0.1, 0.1, 0.1]),
            ("mae", [0.5, 0.9, 0.8, 0.7, 0.9, 0.9]),
            ("pca", [0.1, 0.4, 0.4, 0.4, 0.4, 0.5]),
        ]
    ):
        bench.start(str(i), arm=arm)
        for updates, value in zip((0, 2, 3, 4, 8, 16), values, strict=True):
            if bench.report(str(i), updates, value) == STOP:
                break
        else:
            bench.finish(str(i))


@pytest.mark.parametrize("max_updates", [16, 8])
def test_rungs_filled_from_the_ledger_are_those_of_the_live_run(tmp_path, max_updates):
    live = Bench(tmp_path, max_updates)
    sweep(live)
    records = list(live.ledger.records().values())
    assert {r.outcome for r in records} == {"finished", "stopped"}
    replayed = Bench(tmp_path, max_updates)
    replayed.scheduler.replay(records)
    assert replayed.rungs() == live.rungs()
    assert live.rungs()["mae"]


def test_a_failed_trial_leaves_no_mark_on_replay(bench):
    sweep(bench)
    records = [r.model_copy(update={"outcome": "failed"}) for r in bench.ledger.records().values()]
    replayed = Bench(bench.ledger.folder)
    replayed.scheduler.replay(records)
    assert replayed.rungs() == {}


def test_a_trial_that_collapsed_later_leaves_the_marks_that_it_left_when_it_ran(bench):
    sweep(bench)
    collapsed = {"outcome": "failed", "failure": Failure(kind="collapsed", message="flat")}
    records = [r.model_copy(update=collapsed) for r in bench.ledger.records().values()]
    replayed = Bench(bench.ledger.folder)
    replayed.scheduler.replay(records)
    assert replayed.rungs() == bench.rungs()


def test_decisions_after_a_restart_are_those_of_the_live_run(tmp_path):
    live = Bench(tmp_path)
    sweep(live)
    replayed = Bench(tmp_path)
    replayed.scheduler.replay(list(live.ledger.records().values()))
    decisions = {}
    for name, bench in (("live", live), ("again", replayed)):
        for value in (0.1, 0.55, 0.65, 0.95):
            bench.start(f"{name} {value}")
            decisions.setdefault(value, []).append(bench.report(f"{name} {value}", 2, value))
    assert all(live_one == again for live_one, again in decisions.values())
    assert {d for pair in decisions.values() for d in pair} == {CONTINUE, STOP}


@pytest.mark.parametrize("stage", ["search", "confirm"])
def test_tune_may_end_a_trial_twice(bench, stage):
    """So it does where the searcher raised the first time, and a trial of another name goes on as before."""
    bench.start("a", stage=stage)
    bench.start("b", stage=stage)
    trial = bench.trials["a"][2]
    bench.scheduler.on_trial_complete(None, trial, {})
    bench.scheduler.on_trial_error(None, trial)
    assert bench.report("b", 2, 0.5) == CONTINUE
