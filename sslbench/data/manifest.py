"""What a cell store says about itself; read without opening the cells."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sslbench.errors import DataError

MANIFEST = "manifest.json"
STORE_SCHEMA = 4


class StoreManifest(BaseModel):
    """The content of `manifest.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    schema_version: int = STORE_SCHEMA
    dataset: str
    title: str
    source: str
    licence: str
    citation: str
    fingerprint: str = Field(description="16 hex digits over counts, genes, labels and splits")
    split_hash: str = Field(
        description="16 hex digits over the split and the scored label of cells"
    )
    source_file: str
    source_sha256: str
    counts_slot: str
    counts_reason: str
    n_cells: int
    n_genes: int
    n_genes_in_source: int
    n_top_genes: int | None
    n_empty_cells_dropped: int
    n_excluded_cells: int = Field(description="cells of donors that the data set excludes")
    label_names: tuple[str, ...]
    excluded_labels: dict[str, str] = Field(description="label → why it is not scored")
    n_unlabelled: int
    split_by: Literal["donor", "cell"]
    split_rule: str
    cells_per_split: dict[str, int]
    donors_per_split: dict[str, tuple[str, ...]]
    leak_checks: tuple[tuple[str, bool, str], ...]
    n_genes_missing: int = Field(
        default=0,
        description="genes of the panel that the file lacks: they count 0 and are never scored",
    )
    joined: tuple[str, ...] = Field(
        default=(), description="of a corpus: what each data set brings"
    )
    guard: str = Field(
        default="", description="of a corpus: how it is known that no target cell is in it"
    )
    modality: str = Field(
        default="", description="what else was measured: protein, peaks, or nothing"
    )
    files: dict[str, str] = Field(description="name → SHA-256")


def read_manifest(store: Path) -> StoreManifest:
    """Return the manifest of a store; raise DataError D190 if there is no whole one."""
    file = store / MANIFEST
    if not file.is_file():
        raise DataError("this folder is no cell store", code="D190", where=str(store))
    try:
        return StoreManifest.model_validate_json(file.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise DataError(
            "this cell store was written by another version",
            code="D190",
            where=str(file),
            fix="delete the folder: it is built again",
        ) from error
