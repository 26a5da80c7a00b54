"""What a trial keeps of itself while it runs, so that its next attempt goes on from there and not from the start."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sslbench.config import fingerprint
from sslbench.provenance import code_sha256
from sslbench.training_state import State, joined, read_state, write_state

KEEP_EVERY_SECONDS = 10.0  # a shorter trial writes nothing, a longer one loses little more
# Per second that a file takes: large networks are kept more seldom, so that it is a fiftieth of the time at most.
STRETCHED = 5.0
_log = logging.getLogger(__name__)


def code_and_machine(provenance: Mapping[str, str]) -> str:
    """Return 16 hex digits that name the code, the versions below it and the kind of machine.

    Commit and dirty flag are left out: they change with every sweep file that is edited.
    """
    versions = {k: v for k, v in provenance.items() if k not in ("commit", "dirty")}
    return fingerprint([code_sha256(), versions])


class Resumption:
    """The kept pretrainings of one trial: those of earlier attempts are read, this attempt's are written.

    Only what the same code made, on the same kind of machine, is taken up: nothing else would lead to the same scores.
    `made_with` names the two (`code_and_machine`). Whatever cannot be taken up costs time, never the trial.
    """

    def __init__(
        self,
        folder: Path,
        *,
        earlier: Sequence[Path] = (),
        made_with: str,
        every_seconds: float = KEEP_EVERY_SECONDS,
    ) -> None:
        self.folder, self._made_with, self._every = folder, made_with, every_seconds
        self._candidates = [folder, *reversed(earlier)]  # the newest first
        self._pause = every_seconds
        self._started = self._kept_at = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds that the trial has taken, those of earlier attempts up to what was taken up included."""
        return time.monotonic() - self._started

    def of(self, pretraining: int) -> KeptPretraining:
        """Return the place of one of the trial's pretrainings, counted from 0."""
        return KeptPretraining(self, f"pretraining-{pretraining}.safetensors")

    def is_due(self) -> bool:
        """Say whether what was done since the last time, or since the start, is worth a file."""
        return time.monotonic() - self._kept_at >= self._pause

    def is_long(self) -> bool:
        """Say whether the trial has taken so long that a pretraining which has ended is worth a file."""
        return self.seconds >= self._every

    def write(self, name: str, state: State) -> None:
        """Keep a state; a disk that does not take it costs the next attempt time, and this one nothing."""
        began = time.monotonic()
        facts = State({}, {"seconds": self.seconds, "made_with": self._made_with})
        try:
            self.folder.mkdir(exist_ok=True)
            write_state(self.folder / name, joined({"kept": state, "trial": facts}))
        except OSError as error:
            _log.warning("a trial's progress was not kept: %s", error)
        self._kept_at = time.monotonic()
        self._pause = self._every * max(1.0, STRETCHED * (self._kept_at - began))

    def read(self, name: str) -> State | None:
        """Return the newest whole state of this name, and count the seconds that led to it."""
        found = (self._whole(folder / name) for folder in self._candidates)
        state = next((state for state in found if state is not None), None)
        if state is None:
            return None
        seconds = state.facts["trial"]["seconds"]
        self._started = min(self._started, time.monotonic() - seconds)
        return state.part("kept")

    def _whole(self, file: Path) -> State | None:
        try:
            state = read_state(file)
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:
            _log.warning("a trial does not go on from what was kept: %s", error)
            return None
        if state.facts["trial"]["made_with"] != self._made_with:
            _log.warning("a trial does not go on from %s: other code or machine made it", file)
            return None
        return state


@dataclass(frozen=True)
class KeptPretraining:
    """Where one pretraining is kept."""

    trial: Resumption
    name: str

    def read(self) -> State | None:
        """Return what earlier attempts have left of it; None if nothing can be taken up."""
        return self.trial.read(self.name)

    def offer(self, state: Callable[[], State]) -> None:
        """Keep the state of a running pretraining, if the last time is long enough ago."""
        if self.trial.is_due():
            self.trial.write(self.name, state())

    def end(self, state: Callable[[], State]) -> None:
        """Keep what an ended pretraining has led to, if the trial is long."""
        if self.trial.is_long():
            self.trial.write(self.name, state())
