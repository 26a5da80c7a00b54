"""What must hold after whatever happened, read from the ledger, the MLflow database, /proc and the temporary folder."""

from __future__ import annotations

import fcntl
import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from sslbench.durable import sha256
from sslbench.ledger import Ledger
from sslbench.search.agenda import MAX_ATTEMPTS
from tests.chaos.harness import N_TRIALS, SWEEP, Ended, Place, ended
from tests.chaos.processes import all_listening, of_driver, wait_until

LONGEST_SILENCE = 60.0  # seconds in which a driver may say nothing


def check_everything(
    here: Place, snapshots: Sequence[Mapping[str, Ended]], *, is_synced: bool
) -> None:
    """I1 to I8, of a sweep that has come to its end; `is_synced`: MLflow has it all already."""
    for before, after in pairwise(snapshots):
        check_nothing_lost(before, after)
    check_nothing_left(here)
    check_never_silent(here)
    if not is_synced:
        catch_up(here)
    check_whole(here.home, database=here.database, n_trials=here.n_trials)
    check_rebuilt(here)
    check_failures_change_nothing(here)
    check_nothing_lost(snapshots[-1], ended(here.home))


def lost(before: Mapping[str, Ended], after: Mapping[str, Ended]) -> list[str]:
    """Return the trials that had ended and are not there any more, or are something else."""
    return [u for u, was in before.items() if u not in after or after[u].sha256 != was.sha256]


def repeated(before: Mapping[str, Ended], after: Mapping[str, Ended]) -> list[str]:
    """Return the trials that had ended and were tried again."""
    return [u for u, was in before.items() if u in after and after[u].n_attempts != was.n_attempts]


def check_nothing_lost(before: Mapping[str, Ended], after: Mapping[str, Ended]) -> None:
    """I1: what had ended is byte for byte what it was, and nobody tried it again."""
    assert lost(before, after) == [], "trials lost or changed"
    assert repeated(before, after) == [], "trials run again"


def check_whole(home: Path, *, database: Path | None = None, n_trials: int = N_TRIALS) -> None:
    """I2 and I3: every trial that was asked for has ended, each is one MLflow run, and no run is RUNNING."""
    uids = set(ended(home))
    assert len(uids) == n_trials
    planned = {folder.name for folder in home.glob("ledger/*/trials/*")}
    assert planned == uids, "trials that were planned and never ended"
    database = database or home / "mlflow.db"
    assert running(database) == [], "MLflow runs left RUNNING"
    with closing(sqlite3.connect(database)) as opened:
        uids_shown = [uid for uid, _ in _trial_runs(opened, home)]
    assert Counter(uids_shown) == dict.fromkeys(uids, 1), "MLflow runs per trial"


def check_failed_by_deaths(home: Path, *, n_deaths: int) -> None:
    """Whatever failed is a trial whose worker died as often as the sweep bears, and so many workers were killed."""
    (folder,) = home.glob("ledger/*")
    failures = [r.failure for r in Ledger(folder).records().values() if r.failure is not None]
    assert {failure.kind for failure in failures} <= {"killed"}
    assert len(failures) * MAX_ATTEMPTS <= n_deaths


def running(database: Path) -> list[str]:
    """Return the MLflow runs that say they are running."""
    with closing(sqlite3.connect(database)) as opened:
        return [r[0] for r in opened.execute("select name from runs where status = 'RUNNING'")]


def catch_up(here: Place) -> None:
    """Do what a sweep that MLflow did not take says: start the server, `sslbench sync`."""
    if here.server is not None:
        here.server.kill()
        here.server.start()  # to the answer: it may have been on its way
    done = here.command("sync")
    assert done.returncode == 0, done.stderr


def check_rebuilt(here: Place) -> None:
    """I4: MLflow and the leaderboard, made anew from the ledger, are what they were."""
    fresh = here.home.parent / "fresh.db"
    done = here.command("sync", MLFLOW_TRACKING_URI=f"sqlite:///{fresh}")
    assert done.returncode == 0, done.stderr
    assert shown(fresh, here.home) == shown(here.database, here.home), "MLflow, made anew"
    tables = _leaderboards(here.home)
    assert tables, "no leaderboard"
    for _ in range(2):
        for file in here.home.glob("reports/.made_of/*"):
            file.unlink()  # the seal: without it the report is drawn again
        done = here.command("leaderboard", Path(SWEEP).stem)
        assert done.returncode == 0, done.stderr
        assert _leaderboards(here.home) == tables, "the leaderboard, made anew"


def check_nothing_left(here: Place) -> None:
    """I5: half a minute after the last driver no process, socket, lock, temporary folder or half-written file is left."""
    over = [driver.pid for driver in here.drivers if driver.is_over()]
    with suppress(TimeoutError):
        wait_until(lambda: not any(map(of_driver, over)), seconds=30.0, what="all have ended")
    assert {pid: of_driver(pid) for pid in over if of_driver(pid)} == {}, "processes left"
    assert here.sockets & all_listening() == set(), "sockets left on which somebody listens"
    assert list(here.scratch.glob("*sslb-*")) == [], "scratch folders left"
    assert [file for file in here.home.rglob("*.lock") if _is_held(file)] == [], "locks left"
    half = [f for f in here.home.rglob("*") if f.name.endswith(".tmp") or ".new" in f.name]
    assert half == [], "half-written files left"


def check_failures_change_nothing(here: Place) -> None:
    """I7: a command that fails leaves the tracking folder as it was."""
    occupied = here.home.parent / "thesis"
    occupied.mkdir()
    before = _tree(here.home)
    for expected, command in (
        (2, ("sweep", SWEEP, "-o", "budget.trials=none")),
        (7, ("pull", "--to", str(occupied))),
    ):
        done = here.command(*command)
        assert done.returncode == expected, done.stderr
        assert _tree(here.home) == before, f"changed by a {command[0]} that failed"


def check_never_silent(here: Place) -> None:
    """I8: a driver never says nothing for a minute."""
    silent = [
        f"{d.silence:.0f} s after: {d.silent_after}"
        for d in here.drivers
        if d.silence > LONGEST_SILENCE
    ]
    assert silent == [], "silences"


def shown(database: Path, home: Path) -> dict[str, Any]:
    """Return what MLflow shows of each trial: status, params, metrics by step."""
    with closing(sqlite3.connect(database)) as opened:
        return {uid: _run(opened, run) for uid, run in _trial_runs(opened, home)}


def _run(database: sqlite3.Connection, run: str) -> list[Any]:
    tables = (
        "select status from runs where run_uuid = ?",
        "select key, value from params where run_uuid = ?",
        "select key, step, value, is_nan from metrics where run_uuid = ?",
    )
    return [sorted(database.execute(query, [run])) for query in tables]


def _trial_runs(database: sqlite3.Connection, home: Path) -> list[tuple[str, str]]:
    """Return uid and run of every trial that the ledger is about now; executions before a --fresh are history."""
    files = home.glob("ledger/*/sweep.json")
    now = [json.loads(file.read_text(encoding="utf-8"))["execution"] for file in files]
    query = (
        "select t.value, r.run_uuid from tags t join runs r on r.run_uuid = t.run_uuid"
        " join (select run_uuid, value from tags where key = 'sslbench.execution') e on e.run_uuid = r.run_uuid"
        " where t.key = 'sslbench.uid' and r.lifecycle_stage = 'active'"
        f" and e.value in ({','.join('?' * len(now))})"
    )
    return list(database.execute(query, now))


def _leaderboards(home: Path) -> dict[str, bytes]:
    """Return the tables of leaderboards as bytes; maps are pictures."""
    files = home.glob("reports/*.parquet")
    return {f.name: f.read_bytes() for f in files if not f.name.endswith(".maps.parquet")}


def _is_held(file: Path) -> bool:
    with file.open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _tree(folder: Path) -> dict[str, str]:
    return {str(f): sha256(f) for f in sorted(folder.rglob("*")) if f.is_file()}
