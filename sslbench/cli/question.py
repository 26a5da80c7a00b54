"""The question a ledger folder answers, written beside its trials: the sweep as resolved and its data."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field

from sslbench.cli import terminal
from sslbench.cli.counted import LabelsLeft
from sslbench.cli.places import Home
from sslbench.config import Frozen
from sslbench.data.manifest import StoreManifest
from sslbench.durable import write_atomically
from sslbench.errors import ConfigError, SetupError
from sslbench.ledger import Ledger
from sslbench.search.space import first_params
from sslbench.search.spec import SweepSpec

FILE = "sweep.json"


class Question(Frozen):
    """What was asked of which cells; the newest execution of the sweep."""

    sweep: str
    execution: str
    asked_unix_ms: int
    spec: dict[str, Any]
    data: dict[str, Any]  # the cell store's manifest, as shown in reports
    store: str  # the folder of the cell store when the question was asked
    corpus: str | None = None  # the folder of the corpus's store
    corpus_data: dict[str, Any] | None = None  # its manifest
    modality_measured: dict[str, int] = Field(
        {}
    )  # cells of each split that have the second modality
    data_fingerprint: str = ""  # of all cells that a trial may see; "": that of the cell store
    labels_left: tuple[LabelsLeft, ...] = ()  # at the sweep's own share of them, then further ones
    described: dict[str, Any] | None = None  # the data set, as it was described and found
    command: str = ""  # that asked it; "": a question of before commands were noted
    left_out: tuple[str, ...] = ()  # arms and tasks of the sweep file that these cells do not allow

    @property
    def sweep_spec(self) -> SweepSpec:
        """The sweep, checked again."""
        return SweepSpec.model_validate(self.spec)

    @property
    def cells_fingerprint(self) -> str:
        """The fingerprint of all cells that a trial may see, which its record carries."""
        return self.data_fingerprint or str(self.data["fingerprint"])


def new_execution() -> str:
    """Return a name for an execution of a sweep that starts from nothing."""
    return uuid.uuid4().hex[:12]


def write_question(ledger: Ledger, question: Question) -> None:
    """Write the question beside the trials."""
    ledger.folder.mkdir(parents=True, exist_ok=True)
    write_atomically(ledger.folder / FILE, question.model_dump_json(indent=1))


def read_question(folder: Path) -> Question | None:
    """Return the question of a ledger folder, or None if none was written.

    Raises
    ------
    SetupError
        S011 if it is damaged, or it or the sweep in it is of a version that this one does not read.
    """
    file = folder / FILE
    if not file.exists():
        return None
    try:
        question = Question.model_validate_json(file.read_text(encoding="utf-8"))
        _check_all(question)
    except (ValueError, ConfigError) as error:  # of pydantic, of bytes that are no text, of names
        raise SetupError(
            "this ledger's question cannot be read", code="S011", where=str(file), fix="use --fresh"
        ) from error
    return question


def _check_all(question: Question) -> None:
    """Look at all that is read later on, so that no command fails midway: sweep, names in it, cells."""
    spec = question.sweep_spec
    for name, arm in spec.arms.items():
        spec.config(name, first_params(arm.search), seed=spec.seed)
    for manifest in filter(None, (question.data, question.corpus_data)):
        StoreManifest.model_validate(manifest)


def readable(folders: Iterable[Path]) -> Iterator[tuple[Path, Question]]:
    """Yield (folder, question) of those that have one; one that cannot be read is named and stops no other's command."""
    for folder in folders:
        try:
            question = read_question(folder)
        except SetupError as error:
            _say_left_out(str(error.where))
            continue
        if question is not None:
            yield folder, question


@cache  # once: a command may look at all folders more than once
def _say_left_out(file: str) -> None:
    terminal.say("note", f"left out: {file} is damaged or of another version of sslbench")


def asked(home: Home, sweep: str | None = None) -> list[tuple[Path, Question]]:
    """Return (folder, question) of every sweep in the ledger, or of one by name or path, newest first."""
    named = Path(sweep).stem if sweep is not None else None
    folders = [f for f in home.ledgers.glob("*") if f.is_dir() and not f.name.startswith(".")]
    found = [(f, q) for f, q in readable(folders) if named in (None, q.sweep)]
    return sorted(found, key=lambda item: -item[1].asked_unix_ms)


def newest(home: Home, sweep: str | None = None) -> tuple[Path, Question]:
    """Return the newest question; raise ConfigError with the command that makes one."""
    found = asked(home, sweep)
    if not found:
        named = f"of the sweep {sweep!r} " if sweep else ""
        raise ConfigError(
            f"there is no result {named}yet",
            code="C040",
            where=str(home.ledgers),
            fix=f"make sweep SWEEP={sweep or 'mae_masking'}",
        )
    return found[0]
