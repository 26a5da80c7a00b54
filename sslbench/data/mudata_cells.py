"""Cells with several modalities (.h5mu, or the same in zarr): which one is the RNA, and the others beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata.io import read_elem
from scipy.sparse import csr_matrix

from sslbench.data.catalogue import Slot
from sslbench.data.modality import MeasuredFeatures, modality_of
from sslbench.data.readable import readable
from sslbench.data.stored_cells import SLOTS, StoredCells
from sslbench.data.stored_matrix import SlicedRows, as_csr, rows_of
from sslbench.errors import DataError

RNA_NAMES = ("rna", "gex", "gene expression")
RNA_FEATURES = "Gene Expression"  # what 10x calls genes in var["feature_types"]
_SLOTS_OF_OTHERS: tuple[Slot, ...] = ("layers/counts", "X")


class MuDataCells(StoredCells):
    """The RNA of an opened MuData, its cells described by its own obs and by the common one."""

    def __init__(self, path: Path, root: Any, *, rna: str) -> None:
        self.mudata = root
        super().__init__(path, root["mod"][rna], within=f"mod/{rna}/")

    def obs(self) -> pd.DataFrame:
        """Return the table of the RNA's cells; the common table adds the columns that it lacks."""
        own = super().obs()
        if "obs" not in self.mudata:
            return own
        with readable(self.path, "obs"):
            common = read_elem(self.mudata["obs"])
            common.index = common.index.astype(str)
            if not common.index.is_unique:  # cells of one name cannot be looked up
                return own
            further = [column for column in common.columns if column not in own.columns]
            return own.join(common[further])

    def modality(self, key: str, names_key: str | None = None) -> MeasuredFeatures:
        """Return another modality, its rows those of the RNA's cells by name; else `obsm[key]` of the RNA.

        Its values are those of layers["counts"] if it has them, else X; its features are named by its var.
        `names_key` is for entries of obsm.

        Raises
        ------
        DataError
            As for any file; D121 if cells of the other modality share a name.
        """
        if key not in self.mudata["mod"]:
            return super().modality(key, names_key)
        other = StoredCells(self.path, self.mudata["mod"][key], within=f"mod/{key}/")
        slot: Slot = next((slot for slot in _SLOTS_OF_OTHERS if slot in other.slots()), "X")
        where = f"{self.path}, slot mod/{key}/{SLOTS[slot]}"
        row_of = _rows_by_name(other.obs().index, super().obs().index, where=where)
        with readable(self.path, f"mod/{key}/{SLOTS[slot]}"):
            stored = rows_of(other.root[SLOTS[slot]])
        n_features = other.shape(slot)[1]
        return modality_of(
            _LookedUpRows(stored, row_of, n_features),
            shape=(len(row_of), n_features),
            names=other.var_names(slot),
            where=where,
            measured=row_of >= 0,
        )


class _LookedUpRows:
    """Rows of another matrix in the order of these cells; those that it lacks are empty."""

    def __init__(self, rows: SlicedRows, row_of: np.ndarray, n_columns: int) -> None:
        self.rows, self.row_of, self.n_columns = rows, row_of, n_columns

    def __getitem__(self, rows: slice) -> csr_matrix:
        wanted = self.row_of[rows]
        here = np.flatnonzero(wanted >= 0)
        if not len(here):
            return csr_matrix((len(wanted), self.n_columns))
        first, last = int(wanted[here].min()), int(wanted[here].max())
        found = as_csr(self.rows[first : last + 1])[wanted[here] - first]
        n_values = np.zeros(len(wanted), dtype=np.int64)
        n_values[here] = np.diff(found.indptr)
        ends = np.concatenate([[0], np.cumsum(n_values)])
        return csr_matrix((found.data, found.indices, ends), shape=(len(wanted), self.n_columns))


def mudata_cells(path: Path, root: Any) -> MuDataCells:
    """Return the RNA of an opened MuData: the modality called so, else the only one whose features are genes.

    Raises
    ------
    DataError
        D180 if no modality, or more than one, is the RNA.
    """
    with readable(path, "mod"):
        names = list(root["mod"])
        called = [name for name in names if name.lower() in RNA_NAMES]
        rna = called or [name for name in names if _holds_genes(root["mod"][name])]
        rna = rna or names[:1] * (len(names) == 1)
        if len(rna) == 1:
            return MuDataCells(path, root, rna=rna[0])
        described = "; ".join(_described(name, root["mod"][name]) for name in names)
    raise DataError(
        f"which modality is the RNA? {len(rna) or 'none'} of {len(names)} could be",
        code="D180",
        where=f"{path}, slot mod",
        found=described or "no modality",
        fix='call it "rna", or write it alone: mdata.mod["…"].write_h5ad("rna.h5ad")',
    )


def _holds_genes(modality: Any) -> bool:
    if "feature_types" not in modality.get("var", ()):
        return False
    kinds = np.unique(np.asarray(read_elem(modality["var"]["feature_types"]), dtype=str))
    return bool(kinds.tolist() == [RNA_FEATURES])


def _described(name: str, modality: Any) -> str:
    features: Sequence[str] = read_elem(modality["var"]).index if "var" in modality else []
    examples = ", ".join(map(str, features[:3]))
    return f"{name} ({len(features):,} features: {examples}, …)"


def _rows_by_name(there: pd.Index, here: pd.Index, *, where: str) -> np.ndarray:
    """Return the row of each cell `here` among those `there`, (n_here,) int64; -1 where it is missing."""
    if not there.is_unique:
        raise DataError(
            "two cells have the same name", code="D121", where=where,
            found=f"e.g. {there[there.duplicated()][0]}", fix="make obs_names unique",
        )  # fmt: skip
    return there.get_indexer(here).astype(np.int64)
