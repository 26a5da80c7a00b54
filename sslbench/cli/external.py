"""Embeddings that someone else made, scored beside a sweep: their records in its ledger folder.

<folder>/external/<name>/record.json             written last
<folder>/external/<name>/predictions.parquet     of the test cells, as confirm trials leave them
<folder>/external/<name>/units.parquet
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from sslbench.config import Frozen, fingerprint
from sslbench.durable import is_intact, replaced, sha256, write_atomically
from sslbench.errors import ConfigError, RefusedError
from sslbench.results import TrialRecord

if TYPE_CHECKING:
    import pandas as pd

    from sslbench.leaderboard.external import External

FOLDER, RECORD, PREDICTIONS, UNITS = (
    "external", "record.json", "predictions.parquet", "units.parquet",
)  # fmt: skip
SawDataset = Literal["yes", "no", "unknown"]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class ExternalRecord(Frozen):
    """One embedding that was scored, and what is known of it."""

    name: str
    obsm: str
    n_dimensions: int
    saw_dataset: SawDataset
    dataset: str
    data_fingerprint: str
    objective: str
    scores: dict[str, float]
    seconds: float
    provenance: dict[str, str]
    metric_versions: dict[str, str]
    ended_unix_ms: int
    command: str  # that scores it again
    files: dict[str, str]  # name → SHA-256

    def as_trial(self) -> TrialRecord:
        """Return it in the form in which leaderboards know scores: one confirm trial that trained nothing."""
        result = {
            "scores": self.scores,
            "best_updates": 0,
            "updates": 0,
            "seconds": self.seconds,
            "curve": (),
            "n_parameters": 0,
            "regime": "untrained",  # nobody here knows how it came about: rows say external
        }
        return TrialRecord.model_validate(
            {
                "uid": f"external/{self.name}",
                "arm": self.name,
                "stage": "confirm",
                "attempt": 1,
                "outcome": "finished",
                "params": {},
                "config": {"seed": 0, "encoder": {"name": self.obsm}},
                "recipe": fingerprint([self.name, self.files]),
                "dataset": self.dataset,
                "data_fingerprint": self.data_fingerprint,
                "objective": self.objective,
                "objective_value": None,
                "result": result,
                "provenance": self.provenance,
                "metric_versions": self.metric_versions,
                "started_unix_ms": self.ended_unix_ms - round(1000 * self.seconds),
                "ended_unix_ms": self.ended_unix_ms,
                "files": self.files,
            }
        )


def refuse_name(name: str, *, arms: tuple[str, ...]) -> None:
    """Raise ConfigError C046 if a row cannot be called so: the name is a folder's, and arms have theirs."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            "a name has letters, digits, '_', '-' and '.', at most 64 of them",
            code="C046",
            found=repr(name),
            fix="--name scGPT",
        )
    if name in arms:
        raise ConfigError(
            f"{name!r} is an arm of this sweep", code="C046", fix=f"--name {name}_external"
        )


def refuse_replacing(folder: Path, name: str, *, force: bool) -> None:
    """Raise RefusedError R042 if the sweep has an external row of that name already, unless `force`."""
    if (folder / FOLDER / name).exists() and not force:
        raise RefusedError(
            f"this sweep has a row {name!r} already",
            code="R042",
            where=str(folder / FOLDER / name),
            fix="--force replaces it; another --name stands beside it",
        )


def write_external(
    folder: Path, record: ExternalRecord, *, predictions: pd.DataFrame, units: pd.DataFrame
) -> None:
    """Put the record and its tables in place together, instead of an earlier one of that name."""
    with replaced(folder / FOLDER / record.name) as new:
        new.mkdir()
        predictions.to_parquet(new / PREDICTIONS, index=False)
        units.to_parquet(new / UNITS, index=False)
        files = {name: sha256(new / name) for name in (PREDICTIONS, UNITS)}
        whole = record.model_copy(update={"files": files})
        write_atomically(new / RECORD, whole.model_dump_json(indent=1))


def read_externals(folder: Path) -> tuple[list[External], tuple[str, ...]]:
    """Return the external embeddings of a ledger folder, by name, and a hole for each that cannot be read."""
    files = sorted((folder / FOLDER).glob(f"*/{RECORD}"))
    places = [file.parent for file in files if not file.parent.name.startswith(".")]
    found = {place: _read(place) for place in places}
    return [one for one in found.values() if one is not None], tuple(
        f"{place.name}: the record of this external embedding is damaged or of another version; score it again with --force"
        for place, one in found.items()
        if one is None
    )


def _read(place: Path) -> External | None:
    import pandas as pd

    from sslbench.leaderboard.external import External

    try:
        record = ExternalRecord.model_validate_json((place / RECORD).read_text(encoding="utf-8"))
    except ValidationError:
        return None
    if not all(is_intact(place / name, record.files.get(name)) for name in (PREDICTIONS, UNITS)):
        return None
    return External(
        record=record.as_trial(),
        obsm=record.obsm,
        saw_dataset=record.saw_dataset,
        command=record.command,
        predictions=pd.read_parquet(place / PREDICTIONS),
        units=pd.read_parquet(place / UNITS),
    )
