"""A trial whose process is killed again and again ends with the scores and weights of one that was left alone."""

from __future__ import annotations

import functools
import multiprocessing
import signal
from pathlib import Path
from typing import Any

import pytest

from sslbench.config import TrialConfig
from sslbench.ledger import RESUME, Job, Ledger
from sslbench.results import TrialRecord
from sslbench.resumption import Resumption
from sslbench.search import trainable
from tests.chaos.processes import wait_until
from tests.factories import synthetic_store

N_KILLS, POINTS_BEFORE = 3, 4
LONGEST_SECONDS = 120.0
PROCESSES = multiprocessing.get_context("spawn")  # as Ray's: nothing of this one lives on in them


def job() -> Job:
    config = {
        "dataset": {"name": "synthetic"},
        "pretext": {"name": "masked"},
        "encoder": {"name": "mlp", "width": 16, "embedding_dim": 8, "dropout": 0.2},
        "evaluation": [{"name": "knn"}],
        "training": {
            "max_updates": 2_000,  # some seconds, in which it is hit
            "evaluate_every": 15,
            "minibatch_size": 16,
            "patience": 1_000,
        },
    }
    return Job(
        arm="masked",
        stage="confirm",
        params={},
        config=TrialConfig.model_validate(config),
        data_fingerprint="d",
    )


def work(uid: str, ledger: str, store: str) -> None:
    """Run the trial as a worker does, and keep its progress at each report, as a long one does every ten seconds."""
    worker: Any = trainable
    worker.Resumption = functools.partial(Resumption, every_seconds=0.0)
    worker.tune.report = lambda _: None
    trainable.run_job(
        {"uid": uid},
        ledger=ledger,
        store=store,
        corpus=None,
        device="cpu",
        threads=1,
        stall_timeout_seconds=600.0,
        provenance={"commit": "c"},
    )


class Worker:
    """A process that runs the one trial of a ledger."""

    def __init__(self, ledger: Ledger, the_job: Job, store: Path) -> None:
        self.ledger, self.uid = ledger, the_job.uid
        ledger.plan(the_job)
        self._begin = functools.partial(
            PROCESSES.Process,
            target=work,
            args=(self.uid, str(ledger.folder), str(store)),
            daemon=True,  # goes with the tests, however they end
        )

    def run(self) -> TrialRecord:
        """Let it come to its end."""
        process = self._begin()
        process.start()
        process.join(LONGEST_SECONDS)
        assert process.exitcode == 0
        record = self.ledger.record(self.uid)
        assert record is not None
        return record

    def kill(self, *, attempt: int) -> None:
        """SIGKILL it in an attempt, once that has gone on from what was kept to more reports."""
        process = self._begin()
        process.start()
        wait_until(
            lambda: self._gets_on(attempt) or not process.is_alive(),
            seconds=LONGEST_SECONDS,
            what="a trial gets on",
        )
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, "it ended before it was hit"

    def _gets_on(self, number: int) -> bool:
        attempt = self.ledger.attempt(self.uid)
        return (
            attempt is not None
            and attempt.number == number
            and len(attempt.curve()) >= number * POINTS_BEFORE
        )


@pytest.mark.slow
def test_killed_again_and_again_a_trial_ends_with_the_same_scores_and_weights(
    tmp_path: Path,
) -> None:
    store, the_job = synthetic_store(tmp_path), job()
    expected = Worker(Ledger(tmp_path / "alone"), the_job, store).run()
    worker = Worker(Ledger(tmp_path / "killed"), the_job, store)
    for attempt in range(1, N_KILLS + 1):
        worker.kill(attempt=attempt)
    assert list(worker.ledger.trials.rglob(f"{RESUME}/*.safetensors"))
    record = worker.run()
    assert record.attempt == N_KILLS + 1
    assert record.result is not None
    assert expected.result is not None
    assert record.result.scores == expected.result.scores
    assert curve(record) == curve(expected)
    weights = {name: sha for name, sha in record.files.items() if name.endswith(".safetensors")}
    assert weights
    assert weights.items() <= expected.files.items()
    # it went on: what the killed attempts had reported is told with the times at which it was
    first = worker.ledger.attempts(the_job.uid)[0].curve()
    assert record.reports[: len(first) - 1] == first[:-1]


def curve(record: TrialRecord) -> list[tuple[int, dict[str, float]]]:
    return [(point.updates, dict(point.values)) for point in record.reports]
