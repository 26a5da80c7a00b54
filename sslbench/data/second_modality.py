"""The second modality of a store: what else was measured on the same cells, raw and packed, beside the counts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sslbench.data.catalogue import ModalityChoice
from sslbench.data.cells import CountsMatrix, Modality
from sslbench.data.store_writer import ArrayWriter
from sslbench.durable import write_atomically
from sslbench.errors import DataError

if TYPE_CHECKING:
    from sslbench.data.store_building import Source

INDPTR, INDICES, VALUES, MEASURED, FEATURES = (
    "modality_indptr.npy", "modality_indices.npy", "modality_values.npy",
    "modality_measured.npy", "modality_features.txt",
)  # fmt: skip
FILES = (INDPTR, INDICES, VALUES, MEASURED, FEATURES)


def write_modality(
    folder: Path, choice: ModalityChoice | None, source: Source, *, keep: np.ndarray
) -> tuple[str, ...]:
    """Write the rows `keep` (ascending, of the file) of the second modality; return the files' names.

    Raises
    ------
    DataError
        D181 if a measured value is negative, or no kept cell was measured at all.
    """
    if choice is None:
        return ()
    features, blocks = source.file.modality(choice.key, choice.names)
    indices, values = (
        ArrayWriter(folder / name, np.dtype(kind))
        for name, kind in ((INDICES, np.int32), (VALUES, np.float32))
    )
    ends, measured = [np.zeros(1, dtype=np.int64)], []
    for first_row, rows, was_measured in blocks:
        start, end = np.searchsorted(keep, [first_row, first_row + rows.shape[0]])
        kept = keep[start:end] - first_row
        part = rows[kept]
        if (part.data < 0).any():
            raise _refused(choice, source, "negative values: raw counts are expected")
        ends.append(ends[-1][-1] + part.indptr[1:].astype(np.int64))
        indices.append(part.indices)
        values.append(part.data)
        measured.append(was_measured[kept])
    if not np.concatenate(measured).any():
        raise _refused(choice, source, "no cell that is kept was measured")
    indptr = ArrayWriter(folder / INDPTR, np.dtype(np.int64))
    indptr.append(np.concatenate(ends))
    for array in (indptr, indices, values):
        array.close()
    np.save(folder / MEASURED, np.concatenate(measured))
    write_atomically(folder / FEATURES, "\n".join(features) + "\n")
    return FILES


def read_modality(folder: Path, *, kind: str) -> Modality | None:
    """Return the second modality of a store, memory-mapped; None if it has none (`kind` is "")."""
    if not kind:
        return None
    features = tuple((folder / FEATURES).read_text(encoding="utf-8").splitlines())
    return Modality(
        kind=kind,
        features=features,
        counts=CountsMatrix(
            indptr=_mapped(folder / INDPTR),
            indices=_mapped(folder / INDICES),
            values=_mapped(folder / VALUES),
            n_genes=len(features),
        ),
        measured=np.load(folder / MEASURED),
    )


def _mapped(file: Path) -> Any:
    return np.load(file, mmap_mode="r")


def _refused(choice: ModalityChoice, source: Source, found: str) -> DataError:
    return DataError(
        f"the second modality {choice.key!r} cannot be used",
        code="D181",
        where=str(source.file.path),
        found=found,
        fix="name raw counts in `modality: {kind: …, key: …}`, or leave `modality` out",
    )
