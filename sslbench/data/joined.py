"""Several opened files of cells as one data set: genes that all have, cells one file after the other."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from sslbench.data.catalogue import Slot
from sslbench.data.counts import CountSlots, choose_slot
from sslbench.data.gene_ids import as_symbols, kind_of, species_of
from sslbench.data.genes import gene_names
from sslbench.data.joined_modality import joined_modality
from sslbench.data.modality import MeasuredFeatures
from sslbench.errors import DataError

if TYPE_CHECKING:
    from sslbench.data.opening import CellsFile

SHARED_FROM = 0.5  # of the genes of the file that has fewest

_log = logging.getLogger(__name__)


class JoinedCells:
    """Opened files seen as one; each is read from its own slot of counts, which may differ between them.

    Genes are those that every file has, by name, in the order of the first. Where some files name genes by
    Ensembl ids and others by symbols, ids become the symbols of a column of their file's var.

    Raises
    ------
    DataError
        When made: what `choose_slot` and `gene_names` raise of a file; D133 if the files are of two
        species, D137 if fewer than half of the smallest file's genes are in all of them.
    """

    def __init__(self, files: Sequence[CellsFile], *, counts: Slot | None = None) -> None:
        self.files, self.path = list(files), Path(files[0].path)
        self._slots = [choose_slot(file, counts).slot for file in files]
        names = _names_of_one_kind(self.files, self._slots)
        refuse_two_species(self.files, names)
        self._names = _shared(self.files, names)
        self._columns = [_positions(self._names, among=of_file) for of_file in names]
        self._starts = np.cumsum([0, *(f.shape(s)[0] for f, s in self._parts())])

    def slots(self) -> list[Slot]:
        """Return the slot of the first file's counts: it stands for each file's own."""
        return self._slots[:1]

    def obs(self) -> pd.DataFrame:
        """Return the tables of cells one after the other, with all columns.

        Where two files use the same name of a cell, every name is given its file's before it.
        """
        tables = [file.obs() for file in self.files]
        if len(set().union(*(t.index for t in tables))) < sum(t.index.nunique() for t in tables):
            for table, prefix in zip(tables, _prefixes(self.files), strict=True):
                table.index = prefix + ":" + table.index
        return pd.concat([_plain(table) for table in tables])

    def var(self, slot: Slot) -> pd.DataFrame:
        """Return the first file's table of the genes that are kept, under the names that all share."""
        table = self.files[0].var(self._slots[0]).iloc[self._columns[0]]
        return table.set_axis(self._names)

    def var_names(self, slot: Slot) -> list[str]:
        """Return the names of the genes that every file has."""
        return list(self._names)

    def shape(self, slot: Slot) -> tuple[int, int]:
        """Return (n_cells, n_genes) of all files together."""
        return int(self._starts[-1]), len(self._names)

    def kind(self, slot: Slot) -> str:
        """Describe the files for people."""
        return f"{len(self.files)} files, {self.shape(slot)[0]:,} x {self.shape(slot)[1]:,}"

    def dtype(self, slot: Slot) -> np.dtype[Any]:
        """Return the type that holds the values of all files."""
        return np.result_type(*(file.dtype(own) for file, own in self._parts()))

    def part(self, slot: Slot, row: int) -> tuple[CountSlots, Slot, int]:
        """Return the file that holds a row, the slot that is read there, and which row of it."""
        i = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self.files[i], self._slots[i], row - int(self._starts[i])

    def blocks(self, slot: Slot) -> Iterator[tuple[int, csr_matrix]]:
        """Yield (first row, rows as CSR of the shared genes) through one file after the other."""
        parts = zip(self._parts(), self._columns, self._starts, strict=False)
        for (file, own), columns, start in parts:
            every = np.array_equal(columns, np.arange(file.shape(own)[1]))
            for first_row, rows in file.blocks(own):
                yield int(start) + first_row, rows if every else _picked(rows, columns)

    def modality(self, key: str, names_key: str | None = None) -> MeasuredFeatures:
        """Return a second measurement, its features those that every file which has it measured."""
        sizes = [file.shape(own)[0] for file, own in self._parts()]
        return joined_modality(self.files, sizes, key=key, names_key=names_key)

    def _parts(self) -> list[tuple[CellsFile, Slot]]:
        return list(zip(self.files, self._slots, strict=True))


def _picked(rows: csr_matrix, columns: np.ndarray) -> csr_matrix:
    picked = rows[:, columns]
    picked.sort_indices()
    return picked


def _names_of_one_kind(files: Sequence[CellsFile], slots: Sequence[Slot]) -> list[Sequence[str]]:
    names: list[Sequence[str]] = [
        gene_names(file.var_names(slot), where=str(file.path)) for file, slot in zip(files, slots)
    ]
    if len({kind_of(of_file) for of_file in names}) == 1:
        return names
    tables = [file.var(slot) for file, slot in zip(files, slots, strict=True)]
    return [as_symbols(of_file, table) for of_file, table in zip(names, tables, strict=True)]


def refuse_two_species(files: Sequence[CellsFile], names: Sequence[Sequence[str]]) -> None:
    """Raise DataError D133 if the gene names of some files are of a mouse and those of others of a human."""
    species = [species_of(of_file) for of_file in names]
    if len(set(species) - {None}) < 2:
        return
    raise DataError(
        "cells of two species cannot be joined: genes are matched by name",
        code="D133",
        where=str(files[0].path),
        found="; ".join(
            f"{file.path.name}: {kind or 'unknown'}, e.g. {', '.join(of_file[:3])}"
            for file, kind, of_file in zip(files, species, names, strict=True)
        ),
        fix="make a data set of each species, or rename genes to their orthologues first",
    )


def _shared(files: Sequence[CellsFile], names: Sequence[Sequence[str]]) -> list[str]:
    """Return the names that all files have, in the order of the first; log how many of each are kept."""
    common = set(names[0]).intersection(*names[1:])
    kept = [f"{len(common):,} of {len(n):,} of {f.path.name}" for f, n in zip(files, names)]
    if len(common) < SHARED_FROM * min(map(len, names)):
        raise DataError(
            "the files share fewer than half of the genes of the smallest",
            code="D137",
            where=str(files[0].path),
            found="; ".join(
                f"{words}, e.g. {', '.join(n[:3])}" for words, n in zip(kept, names, strict=True)
            ),
            fix="leave a file out, or give all the same kind of gene names",
        )
    _log.info("genes kept: %s", "; ".join(kept))
    return [name for name in names[0] if name in common]


def _positions(names: Sequence[str], *, among: Sequence[str]) -> np.ndarray:
    return pd.Index(among).get_indexer(pd.Index(names)).astype(np.int64)


def _prefixes(files: Sequence[CellsFile]) -> list[str]:
    """Return the files' names without their endings, numbered where two are the same."""
    stems = [file.path.stem for file in files]
    twice = {stem for stem, n in Counter(stems).items() if n > 1}
    return [f"{stem}-{i}" if stem in twice else stem for i, stem in enumerate(stems, start=1)]


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with categories as plain values: those of two files are two types to pandas."""
    categorical = table.select_dtypes("category").columns
    return table.astype(dict.fromkeys(categorical, object))
