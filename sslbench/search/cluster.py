"""Ray for one sweep: a private one that comes and goes, or the cluster that RAY_ADDRESS names."""

from __future__ import annotations

import logging
import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sslbench.heap import KEEP_FREED_MEMORY
from sslbench.search.leftovers import TOKEN, TOKEN_VARIABLE, scratch_folder

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_MAX_PENDING_TRIALS_PG": "8",
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # snapshots of all trials, which nobody restores: the ledger is the state
    **KEEP_FREED_MEMORY,  # of the workers, which inherit it; the driver has long started
}
OBJECT_STORE_BYTES = 100 * 2**20  # trials share memory-mapped files, so Ray carries next to nothing


@dataclass(frozen=True)
class Cluster:
    """What there is to run on."""

    n_cpus: int
    n_gpus: float
    scratch: Path

    def device(self, *, gpus_per_trial: float) -> str:
        """Return the torch device of a trial that holds this share of a GPU."""
        return "cuda" if self.n_gpus > 0 and gpus_per_trial > 0 else "cpu"


def available_cpus() -> int:
    """Return the CPUs that this process may use, which a scheduler's allocation can limit."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Start or join Ray; leave or end it, and remove its files, however the block ends."""
    os.environ.update({key: os.environ.get(key, value) for key, value in QUIET.items()})
    with scratch_folder() as scratch, _joined_or_started(scratch) as resources:
        yield Cluster(int(resources.get("CPU", 1)), resources.get("GPU", 0.0), scratch)


@contextmanager
def _joined_or_started(scratch: Path) -> Iterator[dict[str, float]]:
    address = os.environ.get("RAY_ADDRESS")
    if not address:
        _stay_on_loopback()
        _guard_with_token(scratch)
    import ray

    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        with own_signals():
            if address:
                ray.init(address=address, logging_level="error", log_to_driver=False)
            else:
                _start(scratch)
        yield ray.cluster_resources()
    finally:
        ray.shutdown()


@contextmanager
def own_signals() -> Iterator[None]:
    """Keep the answers to signals as they were before the block, whatever Ray and Tune do to them inside.

    Ray takes SIGTERM, first to exit with 15, then to abort with a stack dump; Tune takes SIGINT and SIGUSR1 to end
    cleanly, but does not give them back when trials have ended by themselves: the first Ctrl-C after that was lost.
    """
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield
    except SystemExit as stop:
        raise KeyboardInterrupt from stop
    finally:
        for number, answer in before.items():
            signal.signal(number, answer)


def _start(scratch: Path) -> None:
    import ray

    with _without_api_server():
        ray.init(
            address="local",
            num_cpus=available_cpus(),
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            logging_level="error",
            log_to_driver=False,
            _temp_dir=str(scratch),
            _node_ip_address="127.0.0.1",
        )


@contextmanager
def _without_api_server() -> Iterator[None]:
    """Start none: nothing here needs it, and even without dashboard and usage statistics it asks 169.254.169.254 which cloud this is."""
    from ray._private import services

    start = services.start_api_server
    services.start_api_server = lambda *_, **__: ("", None)  # address and process
    try:
        yield
    finally:
        services.start_api_server = start


def _stay_on_loopback() -> None:
    """Let all of Ray's ports listen on 127.0.0.1, as they do on macOS; read when Ray is imported.

    Without it Ray puts the host's own address in the place of 127.0.0.1, and listens to the whole network.
    """
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"


def _guard_with_token(scratch: Path) -> None:
    """Only processes of this sweep may talk to its Ray: a fresh token that no other user can read."""
    token = scratch / TOKEN
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32), encoding="utf-8")
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ[TOKEN_VARIABLE] = str(token)
