"""MLflow beside a running sweep: a thread that ships, never raises into the sweep and never holds it up."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType

from sslbench.discretion import first_line, without_password
from sslbench.errors import SetupError
from sslbench.ledger import Ledger
from sslbench.tracking.client import tracking_failures
from sslbench.tracking.facts import Ending, ProjectionFacts
from sslbench.tracking.mirror import Mirror

_log = logging.getLogger(__name__)
_LONGEST_PAUSE = 30.0
_DRAIN_OF_INTERRUPTED = 5.0  # who has asked a sweep to end waits for it


class LiveMirror:
    """Ships the ledger to MLflow every few seconds while the `with` block runs, and the rest at its end.

    Leaving the block waits at most `drain_seconds`, and not so long if the sweep was interrupted; `synced` then says
    whether everything arrived. What did not is in the ledger, and `sync` ships it later.
    """

    def __init__(
        self,
        ledger: Ledger,
        uri: str,
        facts: ProjectionFacts,
        *,
        every_seconds: float = 2.0,
        drain_seconds: float = 30.0,
    ) -> None:
        self.uri, self.synced, self.last_error = uri, False, ""
        self.experiment_id: str | None = None  # known once the store has answered
        self._mirror = Mirror(ledger, uri, facts)
        self._every, self._drain = every_seconds, drain_seconds
        self._ending: Ending | None = None
        self._over = threading.Event()
        self._deadline = float("inf")
        # a daemon: a call to a dead server may outlast the sweep
        self._thread = threading.Thread(target=self._ship, name="sslbench-mlflow", daemon=True)

    def finish(self, ending: Ending) -> None:
        """Say that the sweep came to its end; without it, leaving the block means it was interrupted."""
        self._ending = ending

    def __enter__(self) -> LiveMirror:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._ending = None
        drain = min(self._drain, _DRAIN_OF_INTERRUPTED) if self._ending is None else self._drain
        self._deadline = time.monotonic() + drain
        self._over.set()
        self._thread.join(drain)

    def _ship(self) -> None:
        try:
            self._ship_until_over()
        finally:
            if not self.synced and not self.last_error:
                self.last_error = "the tracking thread ended too early; its traceback is above"

    def _ship_until_over(self) -> None:
        tracking_failures()  # what it imports would hold the driver up at the first failure
        pause = self._every
        while not self._over.is_set():
            pause = self._every if self._try_step() else min(2 * pause, _LONGEST_PAUSE)
            self._over.wait(pause)
        pause = min(self._every, 0.5)
        while not self._try_close() and time.monotonic() + pause < self._deadline:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _try_step(self) -> bool:
        try:
            self._mirror.step()
        except tracking_failures() as error:
            self._note(error)
            return False
        self.experiment_id, self.last_error = self._mirror.experiment_id, ""
        return True

    def _try_close(self) -> bool:
        try:
            self._mirror.close(self._ending)
        except tracking_failures() as error:
            self._note(error)
            return False
        self.experiment_id, self.last_error, self.synced = self._mirror.experiment_id, "", True
        return True

    def _note(self, error: Exception) -> None:
        self.last_error = first_line(error)
        _log.info(
            "MLflow at %s did not take it yet: %s", without_password(self.uri), self.last_error
        )


def sync(ledger: Ledger, uri: str, facts: ProjectionFacts, *, ending: Ending | None = None) -> str:
    """Show everything that the ledger holds; return the experiment's id. Never while the sweep runs.

    Raises
    ------
    SetupError
        If the store cannot be reached or written; nothing is lost, and the same call goes on later.
    """
    mirror = Mirror(ledger, uri, facts)
    try:
        mirror.close(ending)
    except SetupError:
        raise
    except tracking_failures() as error:
        raise SetupError(
            "the tracking store did not take the results",
            code="S032",
            where=without_password(uri),
            found=first_line(error),
            fix="start the server or correct MLFLOW_TRACKING_URI, then: sslbench sync",
            state="all results are safe in the ledger",
        ) from error
    assert mirror.experiment_id is not None
    return mirror.experiment_id
