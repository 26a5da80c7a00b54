"""Do two slots of a file hold the same counts? If not, which ones are raw would be a guess."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from sslbench.data.catalogue import Slot
from sslbench.errors import DataError

if TYPE_CHECKING:
    from sslbench.data.counts import CountSlots

COMPARED_CELLS = 200


def refuse_difference(file: CountSlots, first: Slot, second: Slot) -> None:
    """Raise DataError D160 if the genes that both slots have differ in the first 200 cells."""
    names = pd.Index(file.var_names(first)), pd.Index(file.var_names(second))
    if not (names[0].is_unique and names[1].is_unique):
        return  # refused later, for that reason
    shared = names[0].intersection(names[1], sort=False)
    rows = [
        _first_rows(file, slot)[:, of_slot.get_indexer(shared)]
        for slot, of_slot in zip((first, second), names, strict=True)
    ]
    differing = (rows[0] != rows[1]).tocoo()
    if not differing.nnz:
        return
    row, column = int(differing.row[0]), int(differing.col[0])
    values = ", ".join(
        f"{slot} = {part[row, column]:g}" for slot, part in zip((first, second), rows, strict=True)
    )
    raise DataError(
        f"{first} and {second} both hold whole numbers, but not the same",
        code="D160",
        where=str(file.path),
        found=f"{differing.nnz:,} values differ in the first {rows[0].shape[0]:,} cells, "
        f"e.g. cell {file.obs().index[row]}, gene {shared[column]}: {values}",
        fix=f"say which are the raw counts: `counts: {first}` or `counts: {second}`",
    )


def _first_rows(file: CountSlots, slot: Slot) -> csr_matrix:
    _, rows = next(file.blocks(slot), (0, csr_matrix((0, len(file.var_names(slot))))))
    return csr_matrix(rows[:COMPARED_CELLS], dtype=np.float64)
