"""A sweep without Ray: trials that are planned and end one by one beside the thread that ships them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sslbench.ledger import Ledger
from sslbench.tracking.facts import Ending
from sslbench.tracking.live import LiveMirror
from tests.sslbench.tracking.fake_ledger import begin, end, facts_of, job_of, ledger_at

OVER = Ending(verdict="not separable")
DRAIN_SECONDS = 240.0  # on a busy machine


def drive(
    ledger: Ledger,
    *,
    n_trials: int,
    every_seconds: float,
    events: Mapping[int, Callable[[], object]] | None = None,
) -> float:
    """Plan and end search trials and a confirm trial, the champion, at last.

    Returns
    -------
    The longest time that one took, without the event that came before it.
    """
    rates = [1e-3 * (1 + number) for number in range(n_trials)]
    jobs = [
        *(job_of(rate=rate) for rate in rates),
        job_of(stage="confirm", seed=101, rate=rates[-1]),
    ]
    longest = 0.0
    for number, job in enumerate(jobs):
        (events or {}).get(number, lambda: None)()
        started = time.monotonic()
        score = 0.5 + number / 1_000
        attempt = begin(ledger, job, curve=(0.3, score))
        time.sleep(every_seconds)
        end(job, attempt, score=score)
        longest = max(longest, time.monotonic() - started)
    return longest


def sweep(folder: Path, uri: str, execution: str, n_trials: int) -> None:
    """Be the driver of a whole sweep in a process of its own; raise if not everything arrived."""
    ledger = ledger_at(folder)
    facts = facts_of(folder, execution=execution)
    with LiveMirror(ledger, uri, facts, every_seconds=0.2, drain_seconds=DRAIN_SECONDS) as live:
        drive(ledger, n_trials=n_trials, every_seconds=0.1)
        live.finish(OVER)
    if not live.synced:
        raise RuntimeError(live.last_error)
