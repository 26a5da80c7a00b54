"""Find one trial in the ledgers: by its uid, the start of it, or what MLflow calls its run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sslbench.cli.places import Home
from sslbench.cli.question import Question, asked
from sslbench.errors import ConfigError
from sslbench.ledger import Ledger
from sslbench.results import TrialRecord

LENGTH_OF_RUN_ID = 32  # hex digits, of an MLflow run; a uid has 16


@dataclass(frozen=True, kw_only=True)
class FoundTrial:
    """A trial that has ended, with the question it was a part of."""

    folder: Path
    question: Question
    record: TrialRecord


def find_trial(home: Home, run: str) -> FoundTrial:
    """Return the trial that `run` names; of the same trial under several questions, the newest.

    Raises
    ------
    ConfigError
        C042 if there is none of that name or it has not ended, C043 if several begin alike.
    """
    found = _named(home, _as_uid(home, run))
    uids = sorted({uid for _, _, uid in found})
    if len(uids) > 1:
        raise ConfigError(
            f"{len(uids)} trials are called {run!r} or begin so",
            code="C043",
            found=", ".join(uids[:5]) + (", …" if len(uids) > 5 else ""),
            fix="give more digits",
        )
    for folder, question, uid in found:
        record = Ledger(folder).record(uid)
        if record is not None:
            return FoundTrial(folder=folder, question=question, record=record)
    raise ConfigError(
        f"no trial {run!r} has ended" if found else f"there is no trial {run!r}",
        code="C042",
        where=str(home.ledgers),
        fix="a uid or its first digits: the names of the folders in <ledger>/trials, in MLflow the tag sslbench.uid",
    )


def _named(home: Home, run: str) -> list[tuple[Path, Question, str]]:
    """Return the trials (folder, question, uid) that are called so, of the newest question first."""
    if "/" in run:
        return [(f, q, uid) for f, q in asked(home) for uid in _by_run_name(f, run)]
    return [
        (folder, question, trial.name)
        for folder, question in asked(home)
        for trial in sorted(Ledger(folder).trials.glob("*"))
        if run and trial.name.startswith(run)
    ]


def _by_run_name(folder: Path, name: str) -> list[str]:
    from sslbench.tracking.description import run_name

    jobs = enumerate(Ledger(folder).jobs().items(), start=1)
    return [uid for order, (uid, job) in jobs if run_name(job, order=order) == name]


def _as_uid(home: Home, run: str) -> str:
    """Return the uid behind the id of an MLflow run; anything else as it is."""
    if len(run) != LENGTH_OF_RUN_ID or not set(run) <= set("0123456789abcdef"):
        return run
    from sslbench.tracking.lookup import uid_of_run
    from sslbench.tracking.store import store_uri

    return uid_of_run(store_uri(home.folder), run) or run
