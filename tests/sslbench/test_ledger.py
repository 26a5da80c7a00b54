"""The ledger keeps what ended, survives torn and flipped bytes, and ignores late writers."""

import json
import os

import pytest

from sslbench.config import TrialConfig
from sslbench.durable import sealed, sha256, unsealed, write_atomically
from sslbench.errors import SetupError
from sslbench.ledger import CURVE, JOB, RESULT, Attempt, Job, Ledger
from sslbench.results import RECORD_SCHEMA, CurvePoint, Failure, TrialResult

OBJECTIVE = "val/knn/macro_f1"


def job(seed=0, **changes):
    config = {
        "dataset": {"name": "pbmc_cite"},
        "pretext": {"name": "pca"},
        "encoder": {"name": "linear"},
        "evaluation": [{"name": "knn"}],
        "seed": seed,
    }
    plain = {"arm": "pca", "stage": "search", "params": {"encoder/embedding_dim": 16}}
    plain |= {"config": TrialConfig.model_validate(config), "data_fingerprint": "data"}
    return Job.model_validate(plain | changes)


def point(updates, value=0.5):
    return CurvePoint(updates=updates, seconds=0.1, unix_ms=5, values={OBJECTIVE: value})


def finished(the_job, attempt, *values):
    curve = tuple(point(i, v) for i, v in enumerate(values or (0.5,)))
    result = TrialResult(
        scores={OBJECTIVE: max(p.values[OBJECTIVE] for p in curve)},
        best_updates=0,
        updates=len(curve) - 1,
        seconds=1,
        curve=curve,
        n_parameters=1,
        regime="unsupervised",
    )
    return the_job.ended(attempt, "finished", result=result, provenance={}, started_unix_ms=1)


def run_whole_trial(ledger, the_job):
    """Plan, attempt, report twice, leave a file and finish: what a worker does."""
    ledger.plan(the_job)
    attempt = ledger.new_attempt(the_job.uid)
    attempt.append(point(0, 0.4))
    attempt.append(point(1, 0.5))
    write_atomically(attempt.folder / "weights.bin", "weights")
    attempt.finish(finished(the_job, attempt, 0.4, 0.5))


@pytest.fixture
def ended(tmp_path):
    ledger, the_job = Ledger(tmp_path), job()
    run_whole_trial(ledger, the_job)
    return ledger, the_job.uid


# Records


def test_a_planned_trial_is_read_back_as_it_was(tmp_path):
    ledger, the_job = Ledger(tmp_path), job()
    ledger.plan(the_job)
    assert ledger.job(the_job.uid) == the_job
    assert ledger.jobs() == {the_job.uid: the_job}
    assert ledger.record(the_job.uid) is None
    assert ledger.records() == {}


def test_planning_again_changes_nothing(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.plan(job())
    file = tmp_path / "trials" / job().uid / JOB
    before = file.stat().st_mtime_ns
    ledger.plan(job())
    assert file.stat().st_mtime_ns == before


def test_jobs_come_in_the_order_they_were_planned(tmp_path):
    ledger = Ledger(tmp_path)
    uids = []
    for seed in (5, 3, 9, 1):
        ledger.plan(job(seed))
        uids.append(job(seed).uid)
        os.utime(tmp_path / "trials" / uids[-1] / JOB, ns=(len(uids), len(uids)))
    assert list(ledger.jobs()) == uids


@pytest.mark.parametrize(
    "change", [{"arm": "b"}, {"stage": "confirm"}, {"data_fingerprint": "other"}]
)
def test_arm_stage_and_data_are_part_of_a_trials_name(change):
    assert job(**change).uid != job().uid


def test_the_params_that_led_to_a_configuration_are_not_part_of_its_name():
    assert job(params={}).uid == job().uid
    assert job(seed=1).uid != job().uid


def test_an_ended_trial_is_read_back_whole(ended):
    ledger, uid = ended
    record = ledger.record(uid)
    assert record.objective_value == 0.5
    assert [p.updates for p in record.reports] == [0, 1]
    assert record.curve == ()
    assert record.files == {"weights.bin": sha256(ledger.attempt(uid).folder / "weights.bin")}


def test_a_trial_that_failed_keeps_the_reports_it_made(tmp_path):
    ledger, the_job = Ledger(tmp_path), job()
    ledger.plan(the_job)
    attempt = ledger.new_attempt(the_job.uid)
    attempt.append(point(0, 0.3))
    attempt.append(point(1, 0.2))
    failure = Failure(kind="diverged", message="loss is nan")
    attempt.finish(
        the_job.ended(attempt, "failed", failure=failure, provenance={}, started_unix_ms=1)
    )
    record = ledger.record(the_job.uid)
    assert record.failure == failure
    assert record.objective_value == 0.3
    assert [p.updates for p in record.reports] == [0, 1]


def test_records_come_in_the_order_the_trials_ended(tmp_path):
    ledger = Ledger(tmp_path)
    for seed, ended_at in ((1, 30), (2, 10), (3, 20)):
        ledger.plan(job(seed))
        attempt = ledger.new_attempt(job(seed).uid)
        record = finished(job(seed), attempt).model_copy(update={"ended_unix_ms": ended_at})
        attempt.finish(record)
    assert list(ledger.records()) == [job(seed).uid for seed in (2, 3, 1)]


def test_an_empty_or_absent_ledger_holds_nothing(tmp_path):
    ledger = Ledger(tmp_path / "absent")
    assert ledger.jobs() == {}
    assert ledger.records() == {}
    assert ledger.attempt("nothing") is None
    with pytest.raises(KeyError, match="nothing"):
        ledger.job("nothing")


# Damage


def test_the_last_line_of_a_curve_torn_by_a_crash_is_ignored(tmp_path):
    ledger, the_job = Ledger(tmp_path), job()
    ledger.plan(the_job)
    attempt = ledger.new_attempt(the_job.uid)
    for updates in (0, 1, 2):
        attempt.append(point(updates))
    file = attempt.folder / CURVE
    whole = file.read_bytes()
    last = whole.rstrip(b"\n").rindex(b"\n") + 1
    for cut in range(last, len(whole)):
        file.write_bytes(whole[:cut])
        n_expected = 3 if cut == len(whole) - 1 else 2
        assert len(attempt.curve()) == n_expected
    file.write_bytes(whole[:last] + b"\xff\xfe\x00")
    assert len(attempt.curve()) == 2


def test_a_record_cut_anywhere_is_no_record(ended):
    ledger, uid = ended
    file = ledger.attempt(uid).folder / RESULT
    whole = file.read_bytes()
    for cut in range(0, len(whole) - 1, 7):
        file.write_bytes(whole[:cut])
        assert ledger.record(uid) is None
    file.write_bytes(whole)
    assert ledger.record(uid) is not None


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\x00" * 500, b"null", b"[]", b"5", b'{"schema_version": 1}', b"\xff\xfe", b"[" * 9000],
)
def test_garbage_is_no_record(ended, garbage):
    ledger, uid = ended
    (ledger.attempt(uid).folder / RESULT).write_bytes(garbage)
    assert ledger.record(uid) is None
    assert ledger.records() == {}
    assert uid in ledger.jobs()


@pytest.mark.parametrize("damage", ["changed", "missing", "a folder"])
def test_a_record_whose_files_are_not_as_it_says_is_no_record(ended, damage):
    ledger, uid = ended
    file = ledger.attempt(uid).folder / "weights.bin"
    file.unlink()
    if damage == "changed":
        file.write_text("weightz")
    if damage == "a folder":
        file.mkdir()
    assert ledger.record(uid) is None


def test_files_that_come_later_do_not_unmake_a_record(ended):
    ledger, uid = ended
    (ledger.attempt(uid).folder / "notes.txt").write_text("mine")
    assert ledger.record(uid) is not None


def test_a_damaged_plan_is_no_plan_and_is_written_again(ended):
    ledger, uid = ended
    for damage in (b"", b"\x00\xff", b'{"arm": "pca"}'):
        (ledger.trials / uid / JOB).write_bytes(damage)
        assert ledger.jobs() == {}
    ledger.plan(job())
    assert list(ledger.records()) == [uid]


def test_a_record_of_a_newer_version_is_refused_not_lost(ended):
    ledger, uid = ended
    file = ledger.attempt(uid).folder / RESULT
    newer = json.loads(file.read_text()) | {"schema_version": RECORD_SCHEMA + 1, "novel": 1}
    file.write_text(json.dumps(newer))
    with pytest.raises(SetupError, match=f"schema {RECORD_SCHEMA + 1}") as caught:
        ledger.record(uid)
    assert caught.value.where == str(file)


def test_a_plan_of_a_newer_version_is_refused_not_lost(ended):
    ledger, uid = ended
    file = ledger.trials / uid / JOB
    file.write_text(
        sealed(json.dumps(json.loads(unsealed(file.read_text())) | {"novel": 1}, indent=1))
    )
    with pytest.raises(SetupError, match="newer sslbench"):
        ledger.jobs()


# Attempts


def test_a_late_writer_of_an_earlier_attempt_changes_nothing(ended):
    ledger, uid = ended
    first = ledger.attempt(uid)
    second = ledger.new_attempt(uid)
    assert (first.number, second.number) == (1, 2)
    assert ledger.record(uid) is None
    first.finish(finished(job(), first, 0.9))
    assert ledger.record(uid) is None
    second.finish(finished(job(), second, 0.1))
    first.finish(finished(job(), first, 0.9))
    assert ledger.record(uid).attempt == 2
    assert ledger.record(uid).objective_value == 0.1


def test_two_writers_never_get_the_same_attempt(tmp_path):
    ledger, uid = Ledger(tmp_path), job().uid
    ledger.plan(job())
    children = []
    for _ in range(6):
        child = os.fork()
        if child == 0:
            numbers = [Ledger(tmp_path).new_attempt(uid).number for _ in range(5)]
            (tmp_path / f"{os.getpid()}.json").write_text(json.dumps(numbers))
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 6
    taken = [n for file in tmp_path.glob("*.json") for n in json.loads(file.read_text())]
    assert sorted(taken) == list(range(1, 31))


def test_the_tenth_attempt_counts_after_the_ninth(tmp_path):
    ledger = Ledger(tmp_path)
    numbers = [ledger.new_attempt("x").number for _ in range(11)]
    assert numbers == [a.number for a in ledger.attempts("x")] == list(range(1, 12))
    assert ledger.attempt("x").number == 11


def test_what_is_no_attempt_is_passed_over(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.new_attempt("x")
    (tmp_path / "trials" / "x" / "attempt-old").mkdir()
    (tmp_path / "trials" / "x" / "attempt-7").write_text("a file")
    assert [a.number for a in ledger.attempts("x")] == [1]


def test_hashes_cover_every_file_but_curve_and_record(tmp_path):
    attempt = Ledger(tmp_path).new_attempt("x")
    (attempt.folder / "model").mkdir()
    (attempt.folder / "model" / "weights").write_text("w")
    (attempt.folder / CURVE).write_text("c")
    (attempt.folder / RESULT).write_text("r")
    assert isinstance(attempt, Attempt)
    assert list(attempt.hashes()) == ["model/weights"]


# What a reader of few files asks for


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_file_that_nobody_opens_hides_no_record_and_one_that_is_opened_does(
    ended, damage
):
    ledger, uid = ended
    file = ledger.attempt(uid).folder / "weights.bin"
    file.unlink()
    if damage == "changed":
        file.write_text("weightz")
    assert list(ledger.records(reads=("predictions.parquet",))) == [uid]
    assert ledger.records(reads=("weights.bin",)) == {}
    assert ledger.records() == {}


def test_an_ended_trial_whose_plan_was_damaged_later_is_not_lost(ended):
    ledger, uid = ended
    (ledger.trials / uid / JOB).write_bytes(b"\x00")
    assert list(ledger.records()) == [uid]


def test_what_was_never_planned_and_what_is_no_trial_are_no_records(ended):
    ledger, uid = ended
    (ledger.trials / "notes.txt").write_text("mine")
    (ledger.trials / "empty").mkdir()
    (ledger.trials / uid / "attempt-9").write_text("a file")
    assert list(ledger.records()) == [uid]
    (ledger.trials / uid / JOB).unlink()
    assert ledger.records() == {}


def test_records_are_those_of_each_trial_asked_by_itself(tmp_path):
    ledger = Ledger(tmp_path)
    for seed in range(12):
        run_whole_trial(ledger, job(seed))
    again = ledger.new_attempt(job(3).uid)
    assert job(3).uid not in ledger.records()
    again.finish(finished(job(3), again, 0.9))
    found = ledger.records()
    assert found == {uid: ledger.record(uid) for uid in found}
    assert set(found) == set(ledger.jobs())
    assert found[job(3).uid].attempt == 2


def test_a_record_of_a_newer_version_is_refused_among_many_too(ended):
    ledger, uid = ended
    file = ledger.attempt(uid).folder / RESULT
    newer = json.loads(file.read_text()) | {"schema_version": RECORD_SCHEMA + 1, "novel": 1}
    file.write_text(json.dumps(newer))
    with pytest.raises(SetupError, match=f"schema {RECORD_SCHEMA + 1}"):
        ledger.records(reads=())
