"""Write a cell store row block by row block: the counts of a million cells never lie in memory together."""

from __future__ import annotations

import os
import shutil
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from sslbench.durable import is_running, settle, sha256, write_atomically

INDPTR, INDICES, COUNTS, OBS, GENES = (
    "indptr.npy", "indices.npy", "counts.npy", "obs.parquet", "genes.txt",
)  # fmt: skip
FILES = (INDPTR, INDICES, COUNTS, OBS, GENES)
HEADER_BYTES = 128  # what NumPy writes before a one-dimensional array of any length we meet


class ArrayWriter:
    """A one-dimensional .npy file that grows: its header is written last, when the length is known."""

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.length = 0
        self.file: IO[bytes] = path.open("wb")
        self.file.write(b"\0" * HEADER_BYTES)

    def append(self, values: np.ndarray) -> None:
        """Add values at the end."""
        self.file.write(np.ascontiguousarray(values, dtype=self.dtype).tobytes())
        self.length += len(values)

    def close(self) -> None:
        """Write the header, and the bytes to disk."""
        text = (
            f"{{'descr': '{self.dtype.str}', 'fortran_order': False, 'shape': ({self.length},), }}"
        )
        magic = b"\x93NUMPY\x01\x00"
        room = HEADER_BYTES - len(magic) - 2
        self.file.seek(0)
        self.file.write(magic + room.to_bytes(2, "little") + text.ljust(room - 1).encode() + b"\n")
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()


class StoreWriter:
    """Append CSR blocks of raw counts, then `finish` with what is known of cells and genes."""

    def __init__(self, folder: Path, *, n_genes: int, largest_count: int) -> None:
        self.folder, self.n_genes = folder, n_genes
        small = largest_count <= np.iinfo(np.uint16).max
        index_type = np.uint16 if n_genes <= np.iinfo(np.uint16).max + 1 else np.int32
        self.indices = ArrayWriter(folder / INDICES, np.dtype(index_type))
        self.counts = ArrayWriter(folder / COUNTS, np.dtype(np.uint16 if small else np.float32))
        self.row_ends: list[np.ndarray] = [np.zeros(1, dtype=np.int64)]

    def append(self, rows: csr_matrix) -> None:
        """Add rows (n_cells, n_genes) of whole, non-negative counts."""
        if rows.shape[1] != self.n_genes:
            raise ValueError(f"rows of {self.n_genes} genes expected, got {rows.shape[1]}")
        rows = csr_matrix(rows)
        rows.sort_indices()
        self.row_ends.append(self.row_ends[-1][-1] + rows.indptr[1:].astype(np.int64))
        self.indices.append(rows.indices)
        self.counts.append(rows.data)

    def finish(
        self, *, obs: pd.DataFrame, genes: tuple[str, ...], beside: tuple[str, ...] = ()
    ) -> dict[str, str]:
        """Write cells and genes; return the SHA-256 of every file by name, those already `beside` included."""
        indptr = np.concatenate(self.row_ends)
        if len(indptr) - 1 != len(obs) or len(genes) != self.n_genes:
            raise ValueError(
                f"{len(indptr) - 1} rows x {self.n_genes} genes written, "
                f"described are {len(obs)} x {len(genes)}"
            )
        ends = ArrayWriter(self.folder / INDPTR, np.dtype(np.int64))
        ends.append(indptr)
        for array in (ends, self.indices, self.counts):
            array.close()
        obs.to_parquet(self.folder / OBS, index=False)
        write_atomically(self.folder / GENES, "\n".join(genes) + "\n")
        return {name: sha256(self.folder / name) for name in (*FILES, *beside)}


@contextmanager
def new_folder(target: Path, *, is_whole: Callable[[Path], bool]) -> Iterator[Path]:
    """Give a temporary folder that becomes `target` in one step if the block ends well, else vanishes.

    If another builder was faster, its folder stays; a folder at `target` that is not whole is replaced.
    A killed builder leaves a folder under a name of its own, which the next one on its host removes.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(target)
    own = f".{target.name}@{socket.gethostname()}@{os.getpid()}@{uuid.uuid4().hex[:8]}.tmp"
    temporary = target.with_name(own)
    temporary.mkdir()
    try:
        yield temporary
        settle(temporary)
        if target.exists() and not is_whole(target):
            shutil.rmtree(target)
        try:
            os.replace(temporary, target)
        except OSError:  # another builder's folder has come to stand there
            if not is_whole(target):
                raise
        settle(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove_leftovers(target: Path) -> None:
    """Remove what builders of `target` on this host have left that no longer run."""
    for folder in target.parent.glob(f".{target.name}@{socket.gethostname()}@*.tmp"):
        if not is_running(int(folder.name.split("@")[2])):
            shutil.rmtree(folder, ignore_errors=True)
