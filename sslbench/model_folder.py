"""What a model folder is: its files, its record, and how a folder that is not what it says is refused.

encoder.safetensors      the weights
classifier.safetensors   of arms that learned from labels: one linear layer, logits over labels.json from the embedding
genes.txt                one gene a line; the order is the order of the encoder's inputs
labels.json              the data set's cell types; a label's code is its place in the list
checkpoint.json          configuration, preprocessing, scores, provenance, SHA-256 of the other files
README.md                the model card
"""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator

from sslbench.config import Frozen
from sslbench.data.cells import TARGET_SUM
from sslbench.durable import sha256
from sslbench.errors import ConfigError, RefusedError, SetupError
from sslbench.registry import ENCODERS

CHECKPOINT_SCHEMA = 1
ENCODER, CLASSIFIER = "encoder.safetensors", "classifier.safetensors"
GENES, LABELS, RECORD, CARD = "genes.txt", "labels.json", "checkpoint.json", "README.md"
_TEXT, _WEIGHTS = 2**26, 2**35  # bytes that none of ours comes near
_MOST_BYTES = {ENCODER: _WEIGHTS, CLASSIFIER: _WEIGHTS} | dict.fromkeys(
    (GENES, LABELS, RECORD, CARD), _TEXT
)
PREPROCESSING = {
    "target_sum": TARGET_SUM,
    "transform": "log1p",
    "library_size": "sum of the counts of the genes in genes.txt",
}


def preprocessing_of(encoder: str) -> dict[str, Any]:
    """Return what is done to the counts of a cell before an encoder of this registered name sees them."""
    reads_counts = ENCODERS.constant(encoder, "reads_counts")
    return PREPROCESSING | ({"target_sum": None} if reads_counts else {})


class CheckpointRecord(Frozen):
    """What `checkpoint.json` holds."""

    schema_version: int = CHECKPOINT_SCHEMA
    sslbench_version: str
    config: dict[str, Any] = Field(description="the whole TrialConfig")
    preprocessing: dict[str, Any] = Field(description="of the counts of a cell")
    n_genes: int
    embedding_dim: int
    scores: dict[str, float] = Field(description="by split/task/metric")
    provenance: dict[str, str] = Field(description="versions, commit, dirty flag")
    data: dict[str, Any] = Field(description="data set, data_fingerprint, licence, citation, …")
    files: dict[str, str] = Field(description="name → SHA-256 of the files beside this one")

    @field_validator("config")
    @classmethod
    def _names_its_parts(cls, config: dict[str, Any]) -> dict[str, Any]:
        parts = [config.get(part) for part in ("pretext", "encoder", "dataset")]
        if not all(isinstance(p, dict) and isinstance(p.get("name"), str) for p in parts):
            raise ValueError("a pretext task, an encoder and a data set must be named")
        if not isinstance(config.get("seed"), int):
            raise ValueError("the seed must be a whole number")
        return config


def read_record(folder: Path) -> CheckpointRecord:
    """Return the record of a model folder whose files are as they were written.

    Raises
    ------
    ConfigError
        If there is no model folder at that place.
    RefusedError
        If the record is damaged, or a file that it names is missing or was changed. The model card alone may
        be edited.
    SetupError
        If a newer sslbench wrote the folder.
    """
    file = folder / RECORD
    if not file.is_file():
        raise ConfigError(
            f"no model folder at {str(folder)!r}",
            code="C032",
            where=str(file.absolute()),
            fix="get one: make pull TO=best, or sslbench pull --to best",
        )
    record = _parsed(file)
    for name in {ENCODER, GENES, LABELS} | ({CLASSIFIER} & set(record.files)):
        _refuse_changed(folder / name, expected=record.files.get(name))
    return record


def refuse_foreign(folder: Path) -> None:
    """Refuse a folder from elsewhere that holds anything but the whole files of a model, before it is copied or moved.

    Raises
    ------
    RefusedError
        R014 if there is a file of another name, a link, a folder or a device in it, or a file beyond all measure.
    """
    for entry in folder.iterdir():
        status = entry.lstat()
        most = _MOST_BYTES.get(entry.name)
        if most is None:
            found = f"{entry.name[:80]!r}: no file of a model is called so"
        elif not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            found = f"{entry.name!r} is no plain file of its own, but a link, a folder or a device"
        elif status.st_size > most:
            found = f"{entry.name!r} has {status.st_size:,} bytes, more than {most:,}"
        else:
            continue
        raise RefusedError(
            "this folder holds what belongs to no model",
            code="R014",
            where=str(folder),
            found=found,
            fix="take the model from someone you trust",
            state="nothing was kept",
        )


def read_genes(file: Path) -> tuple[str, ...]:
    """Return the genes of a `genes.txt`, in the order of the encoder's inputs."""
    return tuple(_text(file).split("\n")[:-1])


def read_labels(file: Path) -> tuple[str, ...]:
    """Return the label names of a `labels.json`, in the order of their codes."""
    try:
        names = json.loads(_text(file))
    except (json.JSONDecodeError, RecursionError) as error:
        raise refused(file, str(error)) from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise refused(file, "not a list of label names")
    return tuple(names)


def refused(file: Path, found: str) -> RefusedError:
    """Return the error for a file of a model folder that is not what it should be."""
    return RefusedError(
        "this model folder is not as it was written",
        code="R011",
        where=str(file),
        found=found,
        fix="pull or copy the model again, from someone you trust",
        state="nothing was loaded",
    )


def _refuse_huge(file: Path) -> None:
    """Refuse to read it: a hole of a terabyte costs nothing to make, and an hour to read."""
    n_bytes = file.stat().st_size
    if n_bytes > _MOST_BYTES[file.name]:
        raise refused(file, f"{n_bytes:,} bytes, more than {_MOST_BYTES[file.name]:,}")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise refused(file, f"no text: {error}") from error


def _parsed(file: Path) -> CheckpointRecord:
    _refuse_huge(file)
    text = _text(file)
    try:
        found = json.loads(text)
        if isinstance(found, dict) and found.get("schema_version") != CHECKPOINT_SCHEMA:
            raise _other_version(file, f"schema {found.get('schema_version')!r}")
        record = CheckpointRecord.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise refused(file, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise refused(file, str(error)) from error
    encoder = record.config["encoder"]["name"]
    known = encoder in ENCODERS.names()  # another is refused where it would be built
    if record.preprocessing != (preprocessing_of(encoder) if known else PREPROCESSING):
        raise _other_version(file, f"preprocessing {record.preprocessing}")
    return record


def _other_version(file: Path, found: str) -> SetupError:
    return SetupError(
        f"this model folder needs another sslbench (here schema {CHECKPOINT_SCHEMA})",
        code="S011",
        where=str(file),
        found=found,
        fix="upgrade sslbench",
        state="nothing was loaded",
    )


def _refuse_changed(file: Path, *, expected: str | None) -> None:
    if expected is None or not file.is_file():
        raise refused(file, "missing, or not named in checkpoint.json")
    _refuse_huge(file)
    if sha256(file) != expected:
        raise refused(file, "its SHA-256 is not the one in checkpoint.json")
