"""An AnnData on disk, in HDF5 or zarr: obs, genes and blocks of rows, never the whole matrix at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from anndata.io import read_elem
from scipy.sparse import csr_matrix

from sslbench.data.catalogue import Slot
from sslbench.data.modality import MeasuredFeatures, modality_of, no_such_modality
from sslbench.data.readable import readable
from sslbench.data.source_files import stored_bytes
from sslbench.data.stored_matrix import as_csr, encoding, is_array, rows_of, shape_of, values_of
from sslbench.data.stored_sizes import (
    n_rows_of,
    refuse_disagreement,
    refuse_elsewhere,
    refuse_oversized,
)
from sslbench.errors import DataError, nearest

SLOTS: dict[Slot, str] = {"layers/counts": "layers/counts", "raw": "raw/X", "X": "X"}
BLOCK_VALUES = 8_000_000  # dense values read at once: 64 MB in double precision


class StoredCells:
    """Cells in an opened file; read-only, closed by whoever opened it.

    `root` is the group of the AnnData, an h5py.Group or a zarr.Group: what is used here is the same in both.
    `within` is its place in the file, "" or such as "mod/rna/".
    """

    def __init__(self, path: Path, root: Any, *, within: str = "") -> None:
        self.path, self.root, self.within = path, root, within
        self._on_disk = stored_bytes(path)
        with readable(path, within or "/"):
            self._check_sizes()

    def slots(self) -> list[Slot]:
        """Return the slots that could hold counts, in the order in which they are looked at."""
        return [slot for slot, place in SLOTS.items() if self._holds_numbers(place)]

    def obs(self) -> pd.DataFrame:
        """Return the table of cells."""
        return self._table("obs")

    def var(self, slot: Slot) -> pd.DataFrame:
        """Return the table of genes of a slot; `.raw` has its own."""
        return self._table(_table_of(slot))

    def var_names(self, slot: Slot) -> list[str]:
        """Return the gene names of a slot."""
        return [str(name) for name in self.var(slot).index]

    def shape(self, slot: Slot) -> tuple[int, int]:
        """Return (n_cells, n_genes) of a slot."""
        n_cells, n_genes = shape_of(self.root[SLOTS[slot]])
        return n_cells, n_genes

    def kind(self, slot: Slot) -> str:
        """Describe a slot for people: `csr_matrix float32, 1,200 x 500`."""
        n_cells, n_genes = self.shape(slot)
        what = encoding(self.root[SLOTS[slot]])
        return f"{what} {self.dtype(slot)}, {n_cells:,} x {n_genes:,}"

    def dtype(self, slot: Slot) -> np.dtype[Any]:
        """Return the type in which the values of a slot are stored."""
        dtype: np.dtype[Any] = np.dtype(values_of(self.root[SLOTS[slot]]).dtype)
        return dtype

    def part(self, slot: Slot, row: int) -> tuple[Self, Slot, int]:
        """Return the file that holds a row, the slot that is read there, and which row of it: this one."""
        return self, slot, row

    def blocks(self, slot: Slot) -> Iterator[tuple[int, csr_matrix]]:
        """Yield (first row, rows as CSR) through a slot, explicit zeros removed.

        Only column-compressed slots are read whole, because their rows do not lie together.
        """
        n_cells, n_genes = self.shape(slot)
        n_rows = max(1, BLOCK_VALUES // max(1, n_genes))
        with readable(self.path, self._place(SLOTS[slot])):
            stored = rows_of(self.root[SLOTS[slot]])
            for start in range(0, n_cells, n_rows):
                yield start, as_csr(stored[start : min(start + n_rows, n_cells)])

    def modality(self, key: str, names_key: str | None = None) -> MeasuredFeatures:
        """Return the second measurement `obsm[key]` of these cells.

        Its features are named by `uns[names_key]` if given, else by the columns of a table, else numbered.

        Raises
        ------
        DataError
            D181 if there is no such entry; D182 if a row is measured in part; D183 if names do not fit.
        """
        there = sorted(self.root["obsm"]) if "obsm" in self.root else []
        if key not in there:
            raise no_such_modality(key, known=there, where=self._where("obsm"))
        stored, place = self.root["obsm"][key], self._place(f"obsm/{key}")
        with readable(self.path, place):
            self._check_stored(stored, place)
            if is_array(stored) or encoding(stored) != "dataframe":
                n_obs = n_rows_of(self.root["obs"])
                refuse_disagreement(stored, place=place, path=self.path, n_obs=n_obs, n_var=None)
                matrix, columns = rows_of(stored), None
                n_cells, n_features = shape_of(stored)
            else:
                table = read_elem(stored)
                matrix, columns = table.to_numpy(dtype=np.float64), list(map(str, table.columns))
                n_cells, n_features = table.shape
        return modality_of(
            matrix,
            shape=(n_cells, n_features),
            names=self._named(names_key) or columns,
            where=self._where(f"obsm/{key}"),
        )

    def _named(self, names_key: str | None) -> list[str] | None:
        if names_key is None:
            return None
        there = sorted(self.root["uns"]) if "uns" in self.root else []
        if names_key not in there:
            raise DataError(
                f"no names of features under {names_key!r}",
                code="D183",
                where=self._where("uns"),
                fix=nearest(names_key, there) if there else "leave `names` out: they are numbered",
            )
        with readable(self.path, self._place(f"uns/{names_key}")):
            return [str(name) for name in np.atleast_1d(read_elem(self.root["uns"][names_key]))]

    def _table(self, place: str) -> pd.DataFrame:
        with readable(self.path, self._place(place)):
            table = read_elem(self.root[place])
            if not isinstance(table, pd.DataFrame):
                raise ValueError("no table in the layout of anndata 0.7 or later")
            table.index = table.index.astype(str)
            return table

    def _holds_numbers(self, place: str) -> bool:
        if place not in self.root:
            return False
        with readable(self.path, self._place(place)):
            stored = self.root[place]
            numeric = np.dtype(values_of(stored).dtype).kind in "biuf"
            return numeric and len(shape_of(stored)) == 2

    def _check_sizes(self) -> None:
        """Refuse what cannot be read before reading it: sizes beyond the file, parts that do not fit."""
        for place in ("obs", "var", "raw/var", *SLOTS.values()):
            if place in self.root:
                self._check_stored(self.root[place], self._place(place))
        for slot in self.slots():
            place = SLOTS[slot]
            refuse_disagreement(
                self.root[place],
                place=self._place(place),
                path=self.path,
                n_obs=n_rows_of(self.root["obs"]),
                n_var=n_rows_of(self.root[_table_of(slot)]),
            )

    def _check_stored(self, stored: Any, place: str) -> None:
        refuse_elsewhere(stored, place=place, path=self.path)
        refuse_oversized(stored, place=place, path=self.path, on_disk=self._on_disk)

    def _place(self, place: str) -> str:
        return f"{self.within}{place}"

    def _where(self, place: str) -> str:
        return f"{self.path}, slot {self._place(place)}"


def _table_of(slot: Slot) -> str:
    return "raw/var" if slot == "raw" else "var"


def anndata_cells(path: Path, root: Any) -> StoredCells:
    """Return the cells of an opened file; raise DataError D003 or D008 if it holds no AnnData."""
    names = sorted(root)
    if "matrix" in names and ("row_attrs" in names or _is_group(root["matrix"])):
        kind = "a Loom file" if "row_attrs" in names else "a 10x matrix"
        reader = "read_loom" if "row_attrs" in names else "read_10x_h5"
        raise DataError(
            f"this is {kind}, no AnnData", code="D003", where=str(path),
            found="groups " + ", ".join(names),
            fix=f"read it with sc.{reader}(…) and write it with adata.write_h5ad(…)",
        )  # fmt: skip
    if "obs" not in names or not any(place in root for place in SLOTS.values()):
        raise DataError(
            "this file holds no AnnData: obs or X is missing",
            code="D008",
            where=str(path),
            found="groups " + (", ".join(names) or "none"),
            fix="write it with adata.write_h5ad(…)",
        )
    return StoredCells(path, root)


def _is_group(stored: Any) -> bool:
    return not is_array(stored)
