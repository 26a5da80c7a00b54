"""The agenda as Ray Tune sees it: a searcher whose truth is the ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from sslbench.disk import LEAST_FREE, free_bytes
from sslbench.results import TrialRecord
from sslbench.search.agenda import Agenda
from sslbench.search.trainable import NO_SPACE

OnEnded = Callable[[TrialRecord], None]


class AgendaSearcher(Searcher):
    """Hands the agenda's trials to Tune; how a trial ended is read from its record, never from Tune.

    Tune reports a trial that its scheduler stopped as complete, and one with a NaN objective not at all.
    """

    def __init__(self, agenda: Agenda, *, on_ended: OnEnded) -> None:
        super().__init__(metric="objective", mode="max")
        self._agenda, self._on_ended = agenda, on_ended
        self._uids: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Give Tune's snapshot nothing: it pickles the searcher at the start, and we never restore one."""
        return {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Return the next trial's config; None while nothing can start, FINISHED when nothing is left.

        On a disk that is nearly full no more are started: those that run may still end.
        """
        if free_bytes(self._agenda.ledger.folder) < LEAST_FREE:
            return None if self._agenda.n_running() else Searcher.FINISHED
        job = self._agenda.next()
        if job is None:
            return None if self._agenda.n_running() else Searcher.FINISHED
        self._uids[trial_id] = job.uid
        return {"uid": job.uid, "arm": job.arm, "stage": job.stage}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the agenda, which looks into the ledger."""
        uid = self._uids.get(trial_id)
        if uid is None:
            return
        if result is not None and NO_SPACE in result:
            self._agenda.put_back(uid, no_space=result[NO_SPACE])
            record = None
        else:
            record = self._agenda.ended(uid)
        del self._uids[trial_id]  # last: where the disk fails above, Tune calls again
        if record is not None:
            self._on_ended(record)

    def save(self, checkpoint_path: str) -> None:
        """Leave a note where Tune wants a pickle: resuming starts from the ledger."""
        Path(checkpoint_path).write_text("the ledger is the state\n", encoding="utf-8")

    def restore(self, checkpoint_path: str) -> None:
        """Refuse: the same command resumes from the ledger, not from Tune's snapshots."""
        raise RuntimeError(f"{checkpoint_path} holds no state; run the same sweep command again")
