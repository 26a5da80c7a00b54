"""An AnnData object, in memory or backed, seen as the counts rule sees a file: slots, gene names, blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from sslbench.data.catalogue import Slot
from sslbench.data.stored_cells import BLOCK_VALUES
from sslbench.data.stored_matrix import as_csr

if TYPE_CHECKING:
    from anndata import AnnData


class AnnDataSlots:
    """Reads, never writes; of a backed object one block of rows is in memory at a time."""

    def __init__(self, adata: AnnData) -> None:
        self._adata = adata
        self._matrices: dict[str, Any] = {}
        if "counts" in adata.layers:
            self._matrices["layers/counts"] = adata.layers["counts"]
        if adata.raw is not None:
            self._matrices["raw"] = adata.raw.X
        if adata.X is not None:
            self._matrices["X"] = adata.X
        self.path = Path(str(adata.filename)) if adata.isbacked else Path("AnnData in memory")

    def slots(self) -> list[Slot]:
        """Return the slots that could hold counts, in the order in which they are looked at."""
        return cast("list[Slot]", list(self._matrices))

    def obs(self) -> pd.DataFrame:
        """Return the table of cells."""
        table: pd.DataFrame = self._adata.obs
        return table

    def var(self, slot: Slot) -> pd.DataFrame:
        """Return the table of genes of a slot; `.raw` has its own."""
        table: pd.DataFrame = self._adata.raw.var if slot == "raw" else self._adata.var
        return table

    def var_names(self, slot: Slot) -> list[str]:
        """Return the gene names of a slot."""
        return [str(name) for name in self.var(slot).index]

    def shape(self, slot: Slot) -> tuple[int, int]:
        """Return (n_cells, n_genes) of a slot."""
        n_cells, n_genes = self._matrices[slot].shape
        return n_cells, n_genes

    def kind(self, slot: Slot) -> str:
        """Describe a slot for people: `csr_matrix float32, 1,200 x 500`."""
        n_cells, n_genes = self.shape(slot)
        return (
            f"{type(self._matrices[slot]).__name__} {self.dtype(slot)}, {n_cells:,} x {n_genes:,}"
        )

    def dtype(self, slot: Slot) -> np.dtype[Any]:
        """Return the type in which the values of a slot are stored."""
        stored: np.dtype[Any] = np.dtype(self._matrices[slot].dtype)
        return stored

    def part(self, slot: Slot, row: int) -> tuple[Self, Slot, int]:
        """Return what holds a row, the slot that is read there, and which row of it: this one."""
        return self, slot, row

    def blocks(self, slot: Slot) -> Iterator[tuple[int, csr_matrix]]:
        """Yield (first row, rows as CSR) through a slot, explicit zeros removed.

        Only a column-compressed matrix is copied whole, because its rows do not lie together.
        """
        matrix = self._matrices[slot]
        n_cells, n_genes = self.shape(slot)
        if getattr(matrix, "format", None) == "csc":
            matrix = as_csr(matrix.to_memory() if hasattr(matrix, "to_memory") else matrix)
        n_rows = max(1, BLOCK_VALUES // max(1, n_genes))
        for start in range(0, n_cells, n_rows):
            yield start, as_csr(matrix[start : min(start + n_rows, n_cells)])
