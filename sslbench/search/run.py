"""Run a sweep: the agenda's trials on Ray, until none is left or someone interrupts."""

from __future__ import annotations

import functools
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslbench.durable import settle
from sslbench.errors import SetupError
from sslbench.ledger import Ledger
from sslbench.results import TrialRecord
from sslbench.search.agenda import Agenda
from sslbench.search.cluster import Cluster, cluster, own_signals
from sslbench.search.defaults import default_params
from sslbench.search.drivers import LOCK, lock_alone
from sslbench.search.leftovers import clear_up
from sslbench.search.spec import SweepSpec

OnEvent = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One sweep on one prepared data set, in one ledger."""

    spec: SweepSpec
    ledger: Ledger
    store: Path
    corpus: Path | None = None  # the store of the sweep's corpus, where it has one
    data_fingerprint: str
    provenance: dict[str, str]

    def agenda(self) -> Agenda:
        """Return the plan, filled from the ledger."""
        return Agenda(self.spec, self.ledger, data_fingerprint=self.data_fingerprint)


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Be the only driver of this sweep, with no worker of an earlier one left; the lock goes with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+", encoding="utf-8") as lock:
        try:
            lock_alone(lock)
        except BlockingIOError as error:
            lock.seek(0)
            raise SetupError(
                "this sweep is being run by another process",
                code="S020",
                where=str(folder),
                found=lock.read().strip() or None,
                fix="wait for it, or look on: sslbench status",
            ) from error
        lock.truncate(0)
        lock.write(f"{socket.gethostname()} process {os.getpid()} since {time.strftime('%F %T')}\n")
        lock.flush()
        clear_up()
        yield


def run_execution(
    execution: Execution, agenda: Agenda, *, on_ended: Callable[[TrialRecord], None]
) -> None:
    """Run what the agenda still holds; returns early, with the ledger whole, when interrupted."""
    if agenda.is_done():
        return
    from sslbench.search.rehearsal import rehearse  # torch comes with it

    rehearse(execution.spec, execution.store, execution.corpus)
    with cluster() as machine, own_signals():
        _tuner(execution, agenda, machine, on_ended).fit()


def _tuner(
    execution: Execution, agenda: Agenda, machine: Cluster, on_ended: Callable[[TrialRecord], None]
) -> Any:
    from ray import tune

    from sslbench.search.halving import ArmwiseHalving
    from sslbench.search.searcher import AgendaSearcher
    from sslbench.search.trainable import run_job

    resources = execution.spec.resources
    spec = execution.spec
    halving = ArmwiseHalving(
        execution.ledger,
        spec.halving,
        provenance=execution.provenance,
        defaults={name: default_params(spec, name) for name in spec.arms},
    )
    halving.replay(agenda.records())
    trainable = functools.partial(
        run_job,
        ledger=str(execution.ledger.folder),
        store=str(execution.store),
        corpus=str(execution.corpus) if execution.corpus else None,
        device=machine.device(gpus_per_trial=resources.gpus_per_trial),
        threads=resources.cpus_per_trial,
        stall_timeout_seconds=resources.stall_timeout_seconds,
        provenance=execution.provenance,
    )
    share: dict[str, float] = {"cpu": resources.cpus_per_trial}
    if machine.n_gpus:
        share["gpu"] = resources.gpus_per_trial
    return tune.Tuner(
        tune.with_resources(trainable, share),
        tune_config=tune.TuneConfig(
            search_alg=AgendaSearcher(agenda, on_ended=on_ended),
            scheduler=halving,
            num_samples=-1,
            max_concurrent_trials=concurrency(execution.spec, machine),
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="tune", storage_path=str(machine.scratch / "results"), verbose=0
        ),
    )


def concurrency(spec: SweepSpec, machine: Cluster) -> int:
    """Return how many trials run at a time: as many as fit, or what the sweep says.

    Raises
    ------
    SetupError
        If not even one trial fits: it would wait for ever.
    """
    _check_fits(spec, machine)
    asked = spec.resources.max_concurrent
    if asked != "auto":
        return asked
    by_cpu = machine.n_cpus // spec.resources.cpus_per_trial
    share = spec.resources.gpus_per_trial
    by_gpu = int(machine.n_gpus / share) if machine.n_gpus and share else by_cpu
    return max(1, min(by_cpu, by_gpu))


def _check_fits(spec: SweepSpec, machine: Cluster) -> None:
    wanted = {"cpus_per_trial": machine.n_cpus}
    if machine.n_gpus:
        wanted["gpus_per_trial"] = int(machine.n_gpus)
    for name, available in wanted.items():
        asked = getattr(spec.resources, name)
        if asked > available:
            raise SetupError(
                f"{name} is {asked}, and this machine has {available}",
                code="S021",
                fix=f"-o resources.{name}={available}",
            )


def open_execution_folder(root: Path, name: str, spec: SweepSpec, data_fingerprint: str) -> Path:
    """Return the sweep's folder, named by its question, so that answers to different ones never mix."""
    folder = root / f"{name}-{spec.question_fingerprint(data_fingerprint)}"
    folder.mkdir(parents=True, exist_ok=True)
    settle(root)
    return folder
