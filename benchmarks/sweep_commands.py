"""Both sides of a sweep as commands, each in a process and a folder of its own, and what they leave behind."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import yaml

from benchmarks.search_task import ARM, SLOTS, SearchTask, sweep_document
from sslbench.data.catalogue import spec_of_file
from sslbench.ledger import Ledger
from sslbench.results import TrialRecord, chosen_trial
from sslbench.search.leftovers import TOKEN, TOKEN_VARIABLE, clear_up, scratch_folder

LONGEST_SECONDS, GRACE_SECONDS = 1_500.0, 30.0
REPOSITORY = Path(__file__).parents[1]
PROGRAM = Path(sys.executable).with_name("sslbench")
LABEL_KEY, DONOR_KEY, BATCH_KEY = "cell_type", "donor", "batch"
QUIET = {  # none of what makes this project's workers faster
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
}
OFFLINE = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What a sweep took and found."""

    seconds: float  # of the whole command
    search_seconds: float  # from the start of the command to the end of the last search trial
    first_seconds: float  # until the first trial begins; the other side's, once it has its cells
    best: float  # validation score of the winner
    updates: int  # of all search trials together
    update_seconds: float  # of one update in a trial, reports included
    seconds_a_trial: float  # that a slot needs for a trial, in the steady state


def our_sweep(task: SearchTask) -> Searched:
    """Run `sslbench sweep` on a tracking folder of its own."""
    with TemporaryDirectory(prefix="sslbench-benchmark-") as place:
        sweep, home = Path(place) / "cost.yaml", Path(place) / "home"
        sweep.write_text(yaml.safe_dump(sweep_document(task), sort_keys=False), encoding="utf-8")
        keys = ["--label-key", LABEL_KEY, "--donor-key", DONOR_KEY, "--batch-key", BATCH_KEY]
        cells = ["--data", task.file, *keys]
        started = time.time()
        run([str(PROGRAM), "sweep", str(sweep), "--home", str(home), *cells], {})
        seconds = time.time() - started
        (ledger,) = (home / "ledger").iterdir()
        records = [r for r in Ledger(ledger).records().values() if r.stage == "search"]
        return _of_records([r for r in records if r.arm == ARM], started=started, seconds=seconds)


def _of_records(records: Sequence[TrialRecord], *, started: float, seconds: float) -> Searched:
    ends = [record.ended_unix_ms / 1_000 for record in records]
    best = chosen_trial(records, ARM)
    if best is None or best.score is None:
        raise RuntimeError("the sweep has no winner")
    updates = [record.reports[-1].updates for record in records]
    trained = sum(record.reports[-1].seconds for record in records)
    return Searched(
        seconds=seconds,
        search_seconds=max(ends) - started,
        first_seconds=min(record.started_unix_ms for record in records) / 1_000 - started,
        best=best.score,
        updates=sum(updates),
        update_seconds=trained / sum(updates),
        seconds_a_trial=seconds_a_trial(ends),
    )


def plain_sweep(task: SearchTask) -> Searched:
    """Run the sweep of `rivals/ray_lightning.py`; only processes that know its token may talk to its Ray."""
    with scratch_folder() as folder:
        token, asked, out = folder / TOKEN, folder / "task.json", folder / "out.json"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32), encoding="utf-8")
        task.write(asked)
        guarded = QUIET | {"RAY_AUTH_MODE": "token", TOKEN_VARIABLE: str(token)}
        started = time.time()
        run(module("rivals.ray_lightning", asked, out, folder), guarded)
        seconds = time.time() - started
        trials = json.loads(out.read_text(encoding="utf-8"))
    ends = [trial["reported"] for trial in trials]
    updates = sum(trial["updates"] for trial in trials)
    trained = sum(trial["reported"] - trial["training_started"] for trial in trials)
    return Searched(
        seconds=seconds,
        search_seconds=max(ends) - started,
        first_seconds=min(trial["training_started"] for trial in trials) - started,
        best=max(trial["objective"] for trial in trials),
        updates=updates,
        update_seconds=trained / updates,
        seconds_a_trial=seconds_a_trial(ends),
    )


def seconds_a_trial(ends: Sequence[float]) -> float:
    """Return the time between the ends of trials times the slots; the first trials, which start workers, are left out."""
    steady = np.sort(ends)[SLOTS:]
    return float(SLOTS * np.ptp(steady) / max(1, len(steady) - 1))


@contextmanager
def our_store(task: SearchTask) -> Iterator[Path]:
    """Have a cell store of the task's file, which goes with the block."""
    from sslbench.data.store import prepare_store

    with TemporaryDirectory(prefix="sslbench-benchmark-") as place:
        spec = spec_of_file(
            task.file, label_key=LABEL_KEY, donor_key=DONOR_KEY, batch_key=BATCH_KEY
        )
        yield prepare_store(spec, n_top_genes=None, root=Path(place))


def worker_memory(store: Path) -> dict[str, int]:
    """Return the bytes that `worker_memory.py` measures in a Ray of its own."""
    with TemporaryDirectory(prefix="sslbench-benchmark-") as place:
        out = Path(place) / "out.json"
        run(module("worker_memory", store, out), {})
        found: dict[str, int] = json.loads(out.read_text(encoding="utf-8"))
        return found


def module(name: str, *arguments: Path) -> list[str]:
    """Return the command that runs a module of this package."""
    return [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)]


def run(
    command: Sequence[str],
    variables: Mapping[str, str],
    *,
    beside: Callable[[int], AbstractContextManager[object]] = nullcontext,
    longest_seconds: float = LONGEST_SECONDS,
) -> None:
    """Run a command to its end, with what `beside` makes of its process id; what it writes is shown only if it fails.

    Raises
    ------
    RuntimeError
        If it fails, or does not end in time: then it is interrupted, and killed if it does not listen.
    """
    inherited = {
        k: v for k, v in os.environ.items() if k not in ("MLFLOW_TRACKING_URI", "RAY_ADDRESS")
    }
    environment = {**inherited, **OFFLINE, "PYTHONPATH": str(REPOSITORY), **variables}
    with TemporaryDirectory(prefix="sslbench-benchmark-") as place:
        log = Path(place) / "log"
        with log.open("wb") as handle:
            process = subprocess.Popen(
                command,
                env=environment,
                cwd=place,
                stdout=handle,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C comes to us, and we pass it on
            )
            try:
                with beside(process.pid):
                    code = process.wait(longest_seconds)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                end(process)
        if code != 0:
            text = log.read_text(encoding="utf-8", errors="replace")[-3_000:]
            raise RuntimeError(f"{' '.join(command[:4])} … ended with {code}:\n{text}")


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process if it still runs, and what a killed one left behind."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    clear_up()
