"""Does this machine allow the sweep? Asked before any cell is read, so that nobody waits to be told no."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from sslbench.cli import terminal
from sslbench.cli.places import Home
from sslbench.disk import LEAST_FREE, free_bytes, refuse_unusable
from sslbench.errors import SetupError
from sslbench.search.cluster import OBJECT_STORE_BYTES, Cluster, available_cpus
from sslbench.search.run import concurrency
from sslbench.search.spec import SweepSpec

RECORD_BYTES = 20_000  # a record, its curve and its run in MLflow
SHARED_MEMORY = Path("/dev/shm")


def refuse_machine(spec: SweepSpec, home: Home) -> None:
    """Refuse what can be refused without torch: folders, locks, space, CPUs. Leaves nothing behind.

    Raises
    ------
    SetupError
        S050 to S052 as `refuse_unusable` says, of results and of scratch; S021 if no trial fits on the CPUs.
    """
    n_trials = spec.n_search_trials() + len(spec.arms) * spec.budget.confirm_seeds
    refuse_unusable(home.folder, needed=LEAST_FREE + n_trials * RECORD_BYTES)
    refuse_unusable(scratch())
    if not os.environ.get("RAY_ADDRESS"):  # else the CPUs are those of the cluster
        concurrency(spec, Cluster(available_cpus(), 0.0, Path()))


def show_limits(spec: SweepSpec) -> None:
    """Refuse more GPUs than there are; say in one line each what works here, but otherwise than may be expected."""
    if os.environ.get("RAY_ADDRESS"):
        return
    from torch import cuda

    n_gpus = cuda.device_count()
    concurrency(spec, Cluster(available_cpus(), float(n_gpus), Path()))
    if not n_gpus and "gpus_per_trial" in spec.resources.model_fields_set:
        share = spec.resources.gpus_per_trial
        terminal.say(
            "note", f"gpus_per_trial is {share:g}, and there is no GPU: trials run on CPUs"
        )
    if small := small_shared_memory():
        terminal.say("note", small)


def small_shared_memory() -> str:
    """Return what follows from little shared memory, as containers have it; "" where there is enough."""
    free = free_bytes(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else 0
    if free >= OBJECT_STORE_BYTES:
        return ""
    return f"{SHARED_MEMORY} has {free / 2**20:.0f} MB free: Ray keeps its objects in {scratch()}, which is slower"


def scratch() -> Path:
    """Return the folder for temporary files.

    Raises
    ------
    SetupError
        S050 if there is none that can be written.
    """
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise SetupError(
            "there is no folder for temporary files",
            code="S050",
            found=str(error.strerror or error),
            fix="set TMPDIR to a folder that you may write",
        ) from error
