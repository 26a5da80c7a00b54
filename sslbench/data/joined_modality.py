"""A second measurement of cells that lie in several files, some of which may lack it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from sslbench.data.modality import MeasuredFeatures, MeasuredRows
from sslbench.errors import DataError

if TYPE_CHECKING:
    from sslbench.data.opening import CellsFile


def joined_modality(
    files: Sequence[CellsFile], n_cells: Sequence[int], *, key: str, names_key: str | None
) -> MeasuredFeatures:
    """Return the modality `key` of files with `n_cells` cells each, one after the other.

    Features are those of every file that has it, in the order of the first such file; cells of files
    without it are not measured.

    Raises
    ------
    DataError
        D181 if no file has it; D183 if they have no feature in common; what a file raises of its own.
    """
    parts = [_of_file(file, key, names_key) for file in files]
    there = [part for part in parts if part is not None]
    if not there:
        files[0].modality(key, names_key)  # raises what is wrong with it
    names = [part.feature_names for part in there]
    common = set(names[0]).intersection(*names[1:])
    if not common:
        raise DataError(
            "the files measured no feature in common",
            code="D183",
            where=f"{files[0].path}, {key}",
            found="; ".join(", ".join(of_file[:3]) for of_file in names),
            fix="name features alike in all files, or leave `modality` out",
        )
    kept = tuple(name for name in names[0] if name in common)

    return MeasuredFeatures(kept, _one_after_the_other(parts, kept, n_cells))


def _one_after_the_other(
    parts: Sequence[MeasuredFeatures | None], kept: Sequence[str], n_cells: Sequence[int]
) -> Iterator[MeasuredRows]:
    start = 0
    for part, n in zip(parts, n_cells, strict=True):
        for block in _blocks_of(part, kept, n):
            yield block._replace(first_row=start + block.first_row)
        start += n


def _of_file(file: CellsFile, key: str, names_key: str | None) -> MeasuredFeatures | None:
    """Return the modality of one file, None if the file lacks it."""
    try:
        return file.modality(key, names_key)
    except DataError as error:
        if error.code == "D181":
            return None
        raise


def _blocks_of(
    part: MeasuredFeatures | None, kept: Sequence[str], n_cells: int
) -> Iterator[MeasuredRows]:
    if part is None:
        empty = csr_matrix((n_cells, len(kept)), dtype=np.float32)
        yield MeasuredRows(0, empty, np.zeros(n_cells, dtype=bool))
        return
    columns = pd.Index(part.feature_names).get_indexer(pd.Index(kept))
    for block in part.blocks:
        picked = block.values[:, columns]
        picked.sort_indices()
        yield block._replace(values=picked)
