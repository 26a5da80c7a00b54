"""A sweep on Ray for real: one driver, every trial once, whatever happens to a worker."""

import multiprocessing
import os
import re
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from pydantic import ValidationError

from sslbench.errors import SetupError
from sslbench.ledger import Ledger
from sslbench.search.cluster import Cluster
from sslbench.search.run import (
    Execution,
    concurrency,
    open_execution_folder,
    owned,
    run_execution,
)
from sslbench.search.spec import SweepSpec
from tests.factories import synthetic_store
from tests.sslbench.syncs import noted

PLAIN = {
    "question": "Which?",
    "dataset": {"name": "synthetic"},
    "budget": {"trials": 3, "confirm_seeds": 1},
    "evaluation": [{"name": "knn"}],
    "training": {"max_updates": 40, "evaluate_every": 10, "minibatch_size": 16},
    "halving": {"first_rung": 20, "reduction_factor": 2},
    "arms": {
        "mae": {
            "pretext": {"name": "masked"},
            "encoder": {"name": "mlp", "width": 16, "embedding_dim": 8},
            "search": {"training/learning_rate": {"log_float": [1e-4, 1e-2]}},
        },
        "supervised": {
            "pretext": {"name": "supervised"},
            "encoder": {"name": "mlp", "width": 16, "embedding_dim": 8},
            "search": {"encoder/dropout": {"float": [0.0, 0.5]}},
        },
        "pca": {
            "pretext": {"name": "pca"},
            "encoder": {"name": "linear"},
            "search": {"encoder/embedding_dim": {"choice": [4, 8]}},
        },
    },
}
EXPECTED = {("mae", "search"): 3, ("supervised", "search"): 3, ("pca", "search"): 2}
EXPECTED |= {(arm, "confirm"): 1 for arm in PLAIN["arms"]}


def spec(**changes):
    return SweepSpec.model_validate(PLAIN | changes)


def machine(n_cpus=8, n_gpus=0.0):
    return Cluster(n_cpus, n_gpus, Path("scratch"))


@pytest.mark.parametrize(
    "resources, n_cpus, n_gpus, expected",
    [
        ({}, 2, 0, 2),
        ({"cpus_per_trial": 3}, 8, 0, 2),
        ({"gpus_per_trial": 0.25}, 16, 1, 4),
        ({"gpus_per_trial": 0.25}, 2, 1, 2),
        ({"gpus_per_trial": 0}, 4, 1, 4),
        ({"max_concurrent": 5}, 2, 0, 5),
    ],
)
def test_as_many_trials_run_at_a_time_as_fit_or_as_the_sweep_says(
    resources, n_cpus, n_gpus, expected
):
    assert concurrency(spec(resources=resources), machine(n_cpus, n_gpus)) == expected


def test_a_trial_is_on_the_gpu_if_it_holds_a_share_of_one():
    assert machine(n_gpus=1).device(gpus_per_trial=0.25) == "cuda"
    assert machine(n_gpus=1).device(gpus_per_trial=0) == "cpu"
    assert machine(n_gpus=0).device(gpus_per_trial=0.25) == "cpu"


def test_more_than_one_gpu_are_whole_gpus():
    assert spec(resources={"gpus_per_trial": 2}).resources.gpus_per_trial == 2
    with pytest.raises(ValidationError, match=r"whole GPUs, got 1\.5"):
        spec(resources={"gpus_per_trial": 1.5})


@pytest.mark.parametrize(
    "resources, n_gpus, name",
    [({"cpus_per_trial": 9}, 0, "cpus_per_trial"), ({"gpus_per_trial": 2}, 1, "gpus_per_trial")],
)
def test_a_trial_that_fits_nowhere_is_refused_and_does_not_wait_for_ever(resources, n_gpus, name):
    with pytest.raises(SetupError, match=name) as caught:
        concurrency(spec(resources=resources), machine(8, n_gpus))
    assert f"-o resources.{name}=" in caught.value.fix


def test_a_question_has_its_own_folder_that_its_budget_does_not_change(tmp_path):
    folder = open_execution_folder(tmp_path, "s", spec(), "data")
    more = spec(budget={"trials": 9})
    assert open_execution_folder(tmp_path, "s", more, "data") == folder
    assert folder.is_dir()
    assert open_execution_folder(tmp_path, "s", spec(), "other") != folder
    assert open_execution_folder(tmp_path, "s", spec(seed=1), "data") != folder


def test_the_name_of_a_new_sweep_is_brought_to_the_disk(tmp_path):
    """A folder that is not synced takes all that is below it along when power is cut."""
    events = noted(lambda: open_execution_folder(tmp_path, "s", spec(), "data"))
    assert tmp_path.stat().st_ino in events


def hold(folder, ready, stay):
    with owned(folder):
        ready.set()
        stay.wait(60)


def test_a_second_driver_is_told_who_runs_the_sweep_until_that_one_is_gone(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, stay = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path, ready, stay))
    other.start()
    assert ready.wait(60)
    with pytest.raises(SetupError, match="run by another process") as caught, owned(tmp_path):
        pass
    assert f"process {other.pid} since" in caught.value.found
    os.kill(other.pid, signal.SIGKILL)
    other.join()
    with owned(tmp_path):
        assert str(os.getpid()) in (tmp_path / "driver.lock").read_text()


def test_a_finished_sweep_starts_no_ray(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "192.0.2.1:1")  # nobody answers there
    finished = spec(budget={"trials": 1, "confirm_seeds": 1})
    execution = Execution(
        spec=finished,
        ledger=Ledger(tmp_path),
        store=tmp_path,
        data_fingerprint="d",
        provenance={},
    )

    class Done:
        def is_done(self):
            return True

    run_execution(execution, Done(), on_ended=print)


# For real


def execution(tmp_path, **changes):
    return Execution(
        spec=spec(**changes),
        ledger=Ledger(tmp_path / "ledger"),
        store=synthetic_store(tmp_path),
        data_fingerprint="data",
        provenance={"commit": "c"},
    )


def sweep_and_tell(one, told):
    run_execution(one, one.agenda(), on_ended=lambda record: told.append(record.uid))


def swept(one) -> list[str]:
    """Run the sweep in a process of its own, as the command does; return the uids in the order they ended."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        told = manager.list()
        driver = context.Process(target=sweep_and_tell, args=(one, told))
        driver.start()
        driver.join(300)
        assert driver.exitcode == 0
        return list(told)


def by_stage(records):
    return Counter((record.arm, record.stage) for record in records)


def children() -> dict[int, tuple[int, str]]:
    """Every process as id → (its parent, its command line)."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            found[int(folder.name)] = (parent, (folder / "cmdline").read_text())
        except OSError:
            continue
    return found


def busy_workers() -> list[int]:
    """The Ray workers below this process that run a trial now."""
    known = children()

    def is_ours(process):
        while process in known and process != os.getpid():
            process = known[process][0]
        return process == os.getpid()

    running = [p for p, (_, line) in known.items() if re.match(r"ray::ImplicitFunc\.train", line)]
    return [p for p in running if is_ours(p)]


@pytest.mark.slow
def test_a_sweep_runs_every_trial_once_and_the_same_command_again_runs_none(tmp_path):
    one = execution(tmp_path)
    told = swept(one)
    records = one.ledger.records()
    assert by_stage(records.values()) == EXPECTED
    assert {r.outcome for r in records.values()} <= {"finished", "stopped"}
    assert {r.outcome for r in records.values() if r.stage == "confirm"} == {"finished"}
    assert Counter(told) == dict.fromkeys(records, 1)
    assert all(r.attempt == 1 for r in records.values())
    assert swept(one) == []
    assert one.ledger.records() == records


@pytest.mark.slow
def test_killing_workers_loses_and_repeats_no_trial(tmp_path):
    training = PLAIN["training"] | {"max_updates": 300}
    one = execution(tmp_path, training=training, halving={"first_rung": 10_000})
    killed, over = [], threading.Event()

    def kill_two():
        while len(killed) < 2 and not over.is_set():
            begun = [uid for uid in one.ledger.jobs() if is_running(one.ledger, uid)]
            workers = busy_workers()
            if begun and workers and len(one.ledger.records()) >= 2 * len(killed):
                os.kill(workers[0], signal.SIGKILL)
                killed.append(workers[0])
                time.sleep(1)
            time.sleep(0.05)

    killer = threading.Thread(target=kill_two)
    killer.start()
    try:
        told = swept(one)
    finally:
        over.set()
        killer.join()
    records = one.ledger.records()
    assert len(killed) == 2
    assert by_stage(records.values()) == EXPECTED
    assert {r.outcome for r in records.values()} == {"finished"}
    assert Counter(told) == dict.fromkeys(records, 1)
    assert set(records) == set(one.ledger.jobs())
    assert max(r.attempt for r in records.values()) >= 2


def is_running(ledger, uid):
    attempt = ledger.attempt(uid)
    return attempt is not None and bool(attempt.curve()) and attempt.record() is None
