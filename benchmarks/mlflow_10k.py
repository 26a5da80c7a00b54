"""What MLflow takes with 10,000 trials of one sweep: to be told of them, and to answer what its page asks for.

    python -m benchmarks.mlflow_10k [--trials 10000] [--rounds 5] [--keep FOLDER]

A made-up ledger is shown as `sslbench sync` shows one. Then `sslbench ui` serves the store, and is asked for what its
first page shows: a hundred search trials, best first, with the filter of the link that a sweep prints.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs

from benchmarks.made_up_ledger import KNN, MadeUp, write_ledgers
from benchmarks.sweep_commands import PROGRAM, REPOSITORY
from sslbench.cli.mirror import projection_facts
from sslbench.cli.places import Home
from sslbench.cli.question import newest
from sslbench.ledger import Ledger
from sslbench.tracking.facts import Ending
from sslbench.tracking.live import sync
from sslbench.tracking.store import store_uri
from sslbench.tracking.ui import trials_fragment

GOAL_RUNS_A_SECOND, GOAL_SECONDS = 15.0, 3.0
N_ARMS, N_SEEDS, PAGE = 4, 5, 100
PORT, LONGEST_START = 5987, 180.0
SWEEP, DATASET = "mae_masking", "blood"


def main() -> None:
    """Make the ledger, show it, ask for the page; print one line a figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mlflow_10k")
    parser.add_argument("--trials", type=int, default=10_000, help="of all four arms together")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="make the store here, and leave it")
    asked = parser.parse_args()
    kept = nullcontext(asked.keep) if asked.keep else TemporaryDirectory(prefix="sslbench-mlflow-")
    with kept as place:
        home = Home(Path(place))
        if not home.ledgers.exists():
            trials = asked.trials // N_ARMS - N_SEEDS
            size = MadeUp(sweeps=(SWEEP,), datasets=(DATASET,), trials=trials, seeds=N_SEEDS)
            _say(f"making {size.records:,} trials in {home.folder}")
            write_ledgers(home.ledgers, size)
            write_curves(Ledger(newest(home)[0]))
        experiment_id = shown(home)
        with served(home):
            seconds = [first_page(home, experiment_id) for _ in range(asked.rounds)]
    each = ", ".join(f"{s:.2f}" for s in seconds)
    print(f"first page: {median(seconds):.2f} s ({each}), goal {GOAL_SECONDS:g} s; {_machine()}")


def write_curves(ledger: Ledger) -> None:
    """Write the reports of every trial as its worker does, one by one: MLflow is told of them from there."""
    for uid, record in ledger.records().items():
        attempt = ledger.attempt(uid)
        assert attempt is not None
        for point in record.reports:
            attempt.append(point)


def shown(home: Home) -> str:
    """Show the ledger in MLflow, and say how fast; return the experiment's id."""
    folder, question = newest(home)
    n_trials, uri = len(list(Ledger(folder).trials.iterdir())), store_uri(home.folder)
    _say(f"showing {n_trials:,} trials")
    started, cpu = time.monotonic(), time.process_time()
    facts = projection_facts(question, home)
    experiment_id = sync(Ledger(folder), uri, facts, ending=Ending(verdict="made up"))
    seconds, cpu = time.monotonic() - started, time.process_time() - cpu
    rate, by_cpu = n_trials / seconds, n_trials / cpu
    print(
        f"shown: {n_trials:,} runs in {seconds:.0f} s, {rate:.1f} a second "
        f"(goal {GOAL_RUNS_A_SECOND:g}), {by_cpu:.1f} a second of the processor; {_machine()}",
        flush=True,
    )
    return experiment_id


@contextmanager
def served(home: Home) -> Iterator[None]:
    """Have `sslbench ui` on the store."""
    command = [str(PROGRAM), "ui", "--home", str(home.folder), "--port", str(PORT)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    nowhere = subprocess.DEVNULL
    server = subprocess.Popen(
        command, env=environment, stdout=nowhere, stderr=nowhere, start_new_session=True
    )
    try:
        deadline = time.monotonic() + LONGEST_START
        while not _answers("/health"):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the UI did not come up")
            time.sleep(0.3)
        yield
    finally:
        os.killpg(server.pid, signal.SIGTERM)  # a group of its own
        server.wait(60)


def first_page(home: Home, experiment_id: str) -> float:
    """Ask for the first page; return the seconds.

    Raises
    ------
    RuntimeError
        If it is not a full one, best first.
    """
    _, question = newest(home)
    link = trials_fragment(experiment_id, KNN, execution=question.execution)
    (condition,) = parse_qs(link.partition("?")[2])["searchFilter"]
    asked = {
        "experiment_ids": [experiment_id],
        "filter": condition,
        "run_view_type": "ACTIVE_ONLY",
        "max_results": PAGE,
        "order_by": [f"metrics.`{KNN}` DESC"],
    }
    started = time.monotonic()
    runs = _post("/ajax-api/2.0/mlflow/runs/search", asked)["runs"]
    seconds = time.monotonic() - started
    scores = [m["value"] for run in runs for m in run["data"]["metrics"] if m["key"] == KNN]
    if len(scores) != PAGE or sorted(scores, reverse=True) != scores:
        raise RuntimeError(f"the first page is wrong: {len(scores)} of {PAGE} runs, {scores[:3]}")
    return seconds


def _post(path: str, asked: Any) -> Any:
    headers = {"Content-Type": "application/json"}
    body = json.dumps(asked).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def _answers(path: str) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=5).close()
    except OSError:
        return False
    return True


def _machine() -> str:
    return f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
