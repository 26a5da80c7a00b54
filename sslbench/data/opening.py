"""Open the cells of an .h5ad, .zarr or .h5mu, or of several of them as one: all look the same afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from sslbench.data.catalogue import Slot
from sslbench.data.counts import CountSlots
from sslbench.data.hdf5_file import opened_hdf5
from sslbench.data.joined import JoinedCells
from sslbench.data.modality import MeasuredFeatures
from sslbench.data.mudata_cells import mudata_cells
from sslbench.data.stored_cells import StoredCells, anndata_cells
from sslbench.data.zarr_folder import opened_zarr
from sslbench.errors import DataError


class CellsFile(CountSlots, Protocol):
    """Cells on disk: counts, cells and genes, and what else was measured."""

    def modality(self, key: str, names_key: str | None = None) -> MeasuredFeatures:
        """Return a second measurement of the same cells."""
        ...


@contextmanager
def open_cells_file(path: Path) -> Iterator[StoredCells]:
    """Open the cells at `path`: an .h5ad, a zarr folder, or the RNA of an .h5mu; what it is follows from its content.

    Raises
    ------
    DataError
        D001-D008 if it is damaged or something else, D170 if it states sizes that it cannot hold, D180 if
        it has several modalities and none can be taken for the RNA.
    """
    opened: AbstractContextManager[Any] = (opened_zarr if path.is_dir() else opened_hdf5)(path)
    with opened as root:
        yield mudata_cells(path, root) if "mod" in root else anndata_cells(path, root)


@contextmanager
def open_cells_files(paths: Sequence[Path], *, counts: Slot | None = None) -> Iterator[CellsFile]:
    """Open one file, or several as one data set whose genes are those that all have; see `JoinedCells`.

    `counts` names the slot of the raw counts in each file; None looks for it in each.

    Raises
    ------
    DataError
        What a file raises; D138 if one is named twice; what joining raises.
    """
    twice = [path for path, n in Counter(path.resolve() for path in paths).items() if n > 1]
    if twice:
        raise DataError(
            "a file is named twice: all of its cells would be there twice",
            code="D138",
            where=str(twice[0]),
            found=", ".join(map(str, paths)),
            fix="name each file once",
        )
    with ExitStack() as stack:
        files: list[CellsFile] = [stack.enter_context(open_cells_file(path)) for path in paths]
        yield files[0] if len(files) == 1 else JoinedCells(files, counts=counts)
