"""The plan of a sweep, driven by a fake trial: equal budgets, fresh seeds, and nothing lost or repeated by a kill."""

import errno
import functools
import os
from collections import Counter

import pytest

from sslbench.ledger import JOB, STACK, Ledger
from sslbench.results import CurvePoint, Failure, TrialResult
from sslbench.search.agenda import MAX_ATTEMPTS, MAX_STALLS, Agenda
from sslbench.search.defaults import default_params
from sslbench.search.spec import SweepSpec

OBJECTIVE = "val/knn/macro_f1"
PLAIN = {
    "question": "Which?",
    "dataset": {"name": "pbmc_cite"},
    "budget": {"trials": 4, "confirm_seeds": 2},
    "evaluation": [{"name": "knn"}],
    "seed": 3,
    "arms": {
        "mae": {
            "pretext": {"name": "masked"},
            "encoder": {"name": "mlp"},
            "search": {
                "training/learning_rate": {"log_float": [1e-4, 1e-2]},
                "encoder/dropout": {"float": [0.0, 0.5]},
            },
        },
        "supervised": {
            "pretext": {"name": "supervised"},
            "encoder": {"name": "mlp"},
            "search": {"training/weight_decay": {"log_float": [1e-4, 1.0]}},
        },
        "pca": {
            "pretext": {"name": "pca"},
            "encoder": {"name": "linear"},
            "search": {"encoder/embedding_dim": {"choice": [4, 8]}},
        },
    },
}
PER_ARM = {"mae": 4, "supervised": 4, "pca": 2}
N_ALL = sum(PER_ARM.values()) + 3 * 2


def spec(**budget):
    return SweepSpec.model_validate(PLAIN | {"budget": PLAIN["budget"] | budget})


def agenda(folder, **budget):
    return Agenda(spec(**budget), Ledger(folder), data_fingerprint="data")


def value_of(params):
    return 0.9 - sum((float(v) - 0.1) ** 2 % 0.7 for v in params.values()) / 2


def result_of(job, value):
    point = CurvePoint(updates=0, seconds=0, unix_ms=0, values={OBJECTIVE: value})
    return TrialResult(
        scores={OBJECTIVE: value},
        best_updates=0,
        updates=0,
        seconds=0,
        curve=(point,),
        n_parameters=1,
        regime="untrained",
    )


def run(ledger, job, *, value=value_of):
    """A trial by an analytic objective, recorded through the ledger as a worker does."""
    attempt = ledger.new_attempt(job.uid)
    result = result_of(job, value(job.params))
    attempt.finish(job.ended(attempt, "finished", result=result, provenance={}, started_unix_ms=0))


def fail(ledger, job):
    attempt = ledger.new_attempt(job.uid)
    failure = Failure(kind="diverged", message="loss is nan")
    attempt.finish(job.ended(attempt, "failed", failure=failure, provenance={}, started_unix_ms=0))


def drive(plan, *, trial=run, n_trials=None, concurrent=3):
    """Run up to `n_trials` of the plan, `concurrent` at a time; return the jobs that were started."""
    started, flying = [], []
    while n_trials is None or len(started) - len(flying) < n_trials:
        while len(flying) < concurrent and (job := plan.next()) is not None:
            started.append(job)
            flying.append(job)
        if not flying:
            break
        job = flying.pop(len(flying) // 2)  # not in the order they were started
        trial(plan.ledger, job)
        plan.ended(job.uid)
    return started


def by_stage(records):
    return Counter((record.arm, record.stage) for record in records)


EXPECTED = {(arm, "search"): n for arm, n in PER_ARM.items()} | dict.fromkeys(
    [(arm, "confirm") for arm in PER_ARM], 2
)


@pytest.mark.parametrize("concurrent", [1, 2, 5])
def test_every_arm_gets_exactly_its_budget_and_its_fresh_seeds(tmp_path, concurrent):
    plan = agenda(tmp_path)
    started = drive(plan, concurrent=concurrent)
    assert plan.is_done()
    assert plan.next() is None
    assert by_stage(plan.records()) == EXPECTED
    assert len(started) == len({job.uid for job in started}) == plan.n_planned() == N_ALL


def test_every_arm_tries_its_default_first(tmp_path):
    plan = agenda(tmp_path)
    first = {}
    for job in drive(plan):
        first.setdefault(job.arm, job.params)
    assert first == {name: default_params(plan.spec, name) for name in PER_ARM}
    assert first["mae"] == {"training/learning_rate": 1e-3, "encoder/dropout": 0.1}


def test_a_trial_is_on_disk_before_anyone_hears_of_it(tmp_path):
    plan = agenda(tmp_path)
    job = plan.next()
    assert Ledger(tmp_path).jobs() == {job.uid: job}


def test_the_arms_advance_side_by_side(tmp_path):
    first = drive(agenda(tmp_path), n_trials=6, concurrent=1)
    assert {job.arm for job in first[:3]} == set(PER_ARM)


def test_only_so_many_run_at_a_time_as_are_asked_for(tmp_path):
    plan = agenda(tmp_path)
    jobs = [plan.next() for _ in range(3)]
    assert plan.n_running() == 3
    run(plan.ledger, jobs[1])
    plan.ended(jobs[1].uid)
    assert plan.n_running() == 2


def test_an_arm_is_confirmed_with_its_best_recipe_on_seeds_the_search_never_saw(tmp_path):
    plan = agenda(tmp_path)
    drive(plan)
    records = plan.records()
    for arm in PER_ARM:
        search = [r for r in records if (r.arm, r.stage) == (arm, "search")]
        confirm = [r for r in records if (r.arm, r.stage) == (arm, "confirm")]
        best = max(search, key=lambda r: r.objective_value)
        assert {r.recipe for r in confirm} == {best.recipe}
        assert {r.config["seed"] for r in search} == {3}
        assert sorted(r.config["seed"] for r in confirm) == [4, 5]


def test_no_arm_is_confirmed_while_one_of_its_search_trials_runs(tmp_path):
    plan = agenda(tmp_path)
    jobs = [job for job in iter(plan.next, None)]  # noqa: C416  # until nothing can start
    assert {job.stage for job in jobs} == {"search"}
    assert Counter(job.arm for job in jobs) == PER_ARM
    slow = next(job for job in jobs if job.arm == "pca")
    for job in jobs:
        if job is not slow:
            run(plan.ledger, job)
            plan.ended(job.uid)
    assert {job.arm for job in iter(plan.next, None)} == {"mae", "supervised"}


@pytest.mark.parametrize("n_before", range(N_ALL + 1))
def test_a_kill_after_any_number_of_trials_loses_and_repeats_none(tmp_path, n_before):
    killed = agenda(tmp_path)
    started = drive(killed, n_trials=n_before, concurrent=3)
    ended = Ledger(tmp_path).records()
    assert len(ended) == n_before
    flying = {job.uid for job in started} - set(ended)

    again = agenda(tmp_path)
    n_ran = Counter()

    def counted(ledger, job):
        n_ran[job.uid] += 1
        run(ledger, job)

    drive(again, trial=counted)
    assert again.is_done()
    assert by_stage(again.records()) == EXPECTED
    assert not set(n_ran) & set(ended)
    assert set(n_ran.values()) <= {1}
    assert flying <= set(n_ran)
    assert {uid: r for uid, r in Ledger(tmp_path).records().items() if uid in ended} == ended
    assert len(Ledger(tmp_path).jobs()) == N_ALL


def test_killed_again_and_again_the_sweep_asks_for_the_same_trials(tmp_path):
    straight = agenda(tmp_path / "straight")
    drive(straight, concurrent=1)
    for _ in range(N_ALL + 1):
        drive(agenda(tmp_path / "killed"), n_trials=1, concurrent=1)
    assert set(Ledger(tmp_path / "killed").records()) == set(straight.ledger.records())


def test_a_driver_killed_between_planning_and_starting_runs_the_plan_first(tmp_path):
    planned = agenda(tmp_path).next()
    again = agenda(tmp_path)
    assert not again.is_done()
    jobs = [again.next() for _ in range(len(PER_ARM))]
    assert planned in jobs


def test_a_finished_sweep_is_done_at_once(tmp_path):
    drive(agenda(tmp_path))
    again = agenda(tmp_path)
    assert again.is_done()
    assert again.next() is None


def test_a_finished_sweep_with_a_bigger_budget_adds_only_what_is_missing(tmp_path):
    drive(agenda(tmp_path))
    before = Ledger(tmp_path).records()
    more = agenda(tmp_path, trials=6)
    started = drive(more)
    assert more.is_done()
    assert not {job.uid for job in started} & set(before)
    search = [job for job in started if job.stage == "search"]
    assert Counter(job.arm for job in search) == {"mae": 2, "supervised": 2}
    for arm in PER_ARM:
        searched = [r for r in more.records() if (r.arm, r.stage) == (arm, "search")]
        best = max(searched, key=lambda r: r.objective_value)
        confirmed = [r for r in more.records() if r.stage == "confirm" and r.recipe == best.recipe]
        assert sorted(r.config["seed"] for r in confirmed if r.arm == arm) == [4, 5]


def test_more_confirm_seeds_add_only_confirm_trials(tmp_path):
    drive(agenda(tmp_path))
    started = drive(agenda(tmp_path, confirm_seeds=3))
    assert [(job.stage, job.config.seed) for job in started] == [("confirm", 6)] * 3


def test_a_smaller_budget_asks_for_nothing_more(tmp_path):
    drive(agenda(tmp_path))
    assert agenda(tmp_path, trials=2, confirm_seeds=1).is_done()


def vanish(ledger, job, *, victim, deaths, with_attempt=True):
    """A worker that is killed while it runs `victim`, `deaths` times."""
    n_before = len(ledger.attempts(job.uid))
    if job.uid == victim["uid"] and victim["n"] < deaths:
        victim["n"] += 1
        if with_attempt:
            assert ledger.new_attempt(job.uid).number == n_before + 1
        return
    run(ledger, job)


@pytest.mark.parametrize("stage", ["search", "confirm"])
@pytest.mark.parametrize("deaths", [1, MAX_ATTEMPTS - 1])
def test_a_trial_whose_worker_dies_is_run_again(tmp_path, deaths, stage):
    plan = agenda(tmp_path)
    uid = victim_uid(tmp_path, stage)
    victim = {"uid": uid, "n": 0}
    started = drive(plan, trial=functools.partial(vanish, victim=victim, deaths=deaths))
    assert victim["n"] == deaths
    assert Counter(job.uid for job in started)[uid] == deaths + 1
    assert plan.ledger.record(uid).outcome == "finished"
    assert by_stage(plan.records()) == EXPECTED


def victim_uid(tmp_path, stage):
    """The second trial of a stage in an undisturbed sweep; the same happens in the disturbed one."""
    undisturbed = drive(agenda(tmp_path / "undisturbed"))
    return [job.uid for job in undisturbed if job.stage == stage and job.arm == "pca"][1]


@pytest.mark.parametrize("with_attempt", [True, False])
@pytest.mark.parametrize("stage", ["search", "confirm"])
def test_a_trial_whose_worker_dies_every_time_is_given_up(tmp_path, with_attempt, stage):
    plan = agenda(tmp_path)
    victim = {"uid": victim_uid(tmp_path, stage), "n": 0}
    trial = functools.partial(vanish, victim=victim, deaths=99, with_attempt=with_attempt)
    drive(plan, trial=trial)
    record = plan.ledger.record(victim["uid"])
    assert victim["n"] == MAX_ATTEMPTS
    assert (record.outcome, record.failure.kind) == ("failed", "killed")
    assert str(MAX_ATTEMPTS) in record.failure.message
    assert plan.is_done()
    assert by_stage(plan.records()) == EXPECTED
    assert agenda(tmp_path).is_done()


def test_a_trial_that_hangs_again_is_recorded_as_such(tmp_path):
    plan = agenda(tmp_path)
    uid = victim_uid(tmp_path, "search")

    def hang(ledger, job):
        if job.uid != uid:
            return run(ledger, job)
        attempt = ledger.new_attempt(uid)
        stack = 'Timeout!\nThread 0x1:\n  File "cells.py", line 5 in read\n'
        return (attempt.folder / STACK).write_text(stack)

    started = drive(plan, trial=hang)
    record = plan.ledger.record(uid)
    assert Counter(job.uid for job in started)[uid] == MAX_STALLS
    assert (record.outcome, record.failure.kind) == ("failed", "stalled")
    assert record.failure.message == (
        "2 times no report for 1800 s (resources.stall_timeout_seconds)\n"
        'it was in File "cells.py", line 5 in read'
    )
    assert "line 5 in read" in record.failure.traceback
    assert plan.is_done()
    assert by_stage(plan.records()) == EXPECTED


def test_a_machine_that_was_suspended_once_costs_a_trial_nothing(tmp_path):
    """The clock of a worker goes on while it is stopped, and ends it when it wakes."""
    plan = agenda(tmp_path)
    job = plan.next()
    (plan.ledger.new_attempt(job.uid).folder / STACK).write_text("Timeout!")
    assert plan.ended(job.uid) is None
    drive(plan, trial=run)
    assert plan.ledger.record(job.uid).outcome == "finished"
    assert by_stage(plan.records()) == EXPECTED


def test_a_worker_that_dies_before_its_own_attempt_did_not_hang(tmp_path):
    plan = agenda(tmp_path)
    job = plan.next()
    (plan.ledger.new_attempt(job.uid).folder / STACK).write_text("Timeout!")
    assert plan.ended(job.uid) is None
    assert plan.next() == job
    assert plan.ended(job.uid) is None
    assert plan.ledger.record(job.uid) is None


def test_a_trial_without_space_is_put_back_and_none_is_started_after_it(tmp_path):
    plan = agenda(tmp_path)
    first, second = plan.next(), plan.next()
    for _ in range(MAX_ATTEMPTS):
        plan.put_back(first.uid, no_space="full")
        assert plan.next() is None
        plan.no_space = ""
        plan.arms[first.arm].again.remove(first)
        plan.arms[first.arm].running[first.uid] = first
    plan.put_back(first.uid, no_space="full")
    run(plan.ledger, second)
    assert plan.ended(second.uid).outcome == "finished"
    assert not plan.is_done()
    later = agenda(tmp_path)
    drive(later, trial=run)
    assert by_stage(later.records()) == EXPECTED


def test_a_trial_whose_plan_is_damaged_after_its_end_still_counts(tmp_path):
    plan = agenda(tmp_path)
    drive(plan, trial=run)
    uid = plan.records()[0].uid
    file = plan.ledger.trials / uid / JOB
    file.write_bytes(file.read_bytes().replace(b"a", b"b", 1))
    later = agenda(tmp_path)
    assert later.is_done()
    assert by_stage(later.records()) == EXPECTED


def test_a_disk_that_fails_as_a_record_is_read_is_asked_again(tmp_path, monkeypatch):
    plan = agenda(tmp_path)
    job = plan.next()
    run(plan.ledger, job)
    with monkeypatch.context() as patch:
        patch.setattr(plan.ledger, "record", failing)
        with pytest.raises(OSError, match="Stale"):
            plan.ended(job.uid)
    assert plan.ended(job.uid).outcome == "finished"


def failing(uid):
    raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))


def test_a_worker_that_was_killed_under_a_running_clock_did_not_hang(tmp_path):
    plan = agenda(tmp_path)
    job = plan.next()
    (plan.ledger.new_attempt(job.uid).folder / STACK).touch()
    assert plan.ended(job.uid) is None


def test_attempts_that_ended_with_their_driver_are_not_held_against_a_trial(tmp_path):
    interrupted = agenda(tmp_path).next()
    for _ in range(MAX_ATTEMPTS):
        Ledger(tmp_path).new_attempt(interrupted.uid)
    plan, victim = agenda(tmp_path), {"uid": interrupted.uid, "n": 0}
    drive(plan, trial=functools.partial(vanish, victim=victim, deaths=1))
    assert victim["n"] == 1
    assert plan.ledger.record(interrupted.uid).outcome == "finished"


def test_a_failed_trial_counts_in_the_budget_and_is_never_chosen(tmp_path):
    plan = agenda(tmp_path)
    failed = []

    def every_other(ledger, job):
        if job.stage == "search" and len(failed) < 2 and job.arm == "mae":
            failed.append(job.config.recipe())
            fail(ledger, job)
        else:
            run(ledger, job)

    drive(plan, trial=every_other)
    assert by_stage(plan.records()) == EXPECTED
    assert not {r.recipe for r in plan.records() if r.stage == "confirm"} & set(failed)


def test_an_arm_whose_every_trial_failed_is_not_confirmed_and_the_others_go_on(tmp_path):
    plan = agenda(tmp_path)
    drive(plan, trial=lambda ledger, job: (fail if job.arm == "mae" else run)(ledger, job))
    assert plan.is_done()
    assert by_stage(plan.records()) == {
        key: n for key, n in EXPECTED.items() if key != ("mae", "confirm")
    }


def test_a_sweep_whose_every_trial_failed_is_done_without_a_confirm_stage(tmp_path):
    plan = agenda(tmp_path)
    drive(plan, trial=fail)
    assert plan.is_done()
    assert by_stage(plan.records()) == {k: n for k, n in EXPECTED.items() if k[1] == "search"}
    assert agenda(tmp_path).is_done()


def test_a_confirm_trial_that_failed_is_not_repeated(tmp_path):
    plan = agenda(tmp_path)
    drive(plan, trial=lambda ledger, job: (run if job.stage == "search" else fail)(ledger, job))
    assert plan.is_done()
    assert by_stage(plan.records()) == EXPECTED


def test_trials_of_an_arm_that_the_sweep_no_longer_has_are_left_alone(tmp_path):
    drive(agenda(tmp_path))
    fewer = PLAIN | {"arms": {k: v for k, v in PLAIN["arms"].items() if k != "pca"}}
    plan = Agenda(SweepSpec.model_validate(fewer), Ledger(tmp_path), data_fingerprint="data")
    assert plan.is_done()
    assert {record.arm for record in plan.records()} == {"mae", "supervised"}
