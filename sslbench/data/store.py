"""The cell store: raw counts of one data set on disk, checked and split once, memory-mapped by every trial."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

from sslbench.config import fingerprint
from sslbench.data.catalogue import DatasetSpec
from sslbench.data.cells import Cells, CountsMatrix
from sslbench.data.manifest import STORE_SCHEMA, StoreManifest, read_manifest
from sslbench.data.measured_genes import read_measured
from sslbench.data.places import located
from sslbench.data.second_modality import read_modality
from sslbench.data.source_files import check_is_cells_file, content_sha256
from sslbench.data.splits import SPLITS, Split
from sslbench.data.store_writer import COUNTS, GENES, INDICES, INDPTR, OBS, new_folder
from sslbench.durable import is_intact
from sslbench.errors import DataError

__all__ = ["StoreManifest", "open_cells", "prepare_store", "read_manifest"]


def prepare_store(
    spec: DatasetSpec,
    *,
    n_top_genes: int | None,
    root: Path,
    genes: tuple[str, ...] | None = None,
) -> Path:
    """Return the folder of the store of `spec` under `root`, building it if it is not there yet.

    The folder's name follows from the bytes of the source, the description and `n_top_genes`, so a
    changed file or description is another store. Safe to call from many processes at once. `genes`, those of
    a corpus, are kept instead of chosen ones, in their order; a gene that the file lacks counts 0.

    Raises
    ------
    DataError
        If the file, its counts, cells, genes, labels or donors cannot be used as described.
    SetupError
        If it lies where this machine has nothing yet, as `located` says.
    """
    # Imported here: building needs anndata and h5py, a trial that only reads does without.
    from sslbench.data.store_building import GenePanel, build_store

    spec, source_sha256 = found_here(spec)
    key = fingerprint([STORE_SCHEMA, source_sha256, spec.identity(), n_top_genes, genes])
    folder = root / f"{spec.name}-{key}"
    if not found_whole(folder):
        with new_folder(folder, is_whole=is_whole) as temporary:
            panel = GenePanel(n_top_genes=n_top_genes, genes=genes)
            build_store(spec, source_sha256=source_sha256, panel=panel, folder=temporary)
    return folder


def found_here(spec: DatasetSpec) -> tuple[DatasetSpec, str]:
    """Return the description with its files as they lie on this machine, and the SHA-256 of what is in them.

    Raises
    ------
    SetupError, DataError
        If a file is not here, as `located` says, or is something else.
    """
    files = tuple(located(file) for file in spec.files)
    for file in files:
        check_is_cells_file(file)
    digests = [content_sha256(file) for file in files]
    whole = digests[0] if len(digests) == 1 else fingerprint(digests)
    return spec.model_copy(update={"files": files}), whole


def found_whole(store: Path) -> bool:
    """Say whether a store that is needed now is there and whole; it counts as young from before that is found out."""
    # `clean` spares young stores: no question names this one before its sweep starts, and hashing takes a while.
    with suppress(OSError):  # it is not there, or somebody else's
        os.utime(store)
    return is_whole(store)


def is_whole(store: Path) -> bool:
    """Say whether the folder is a store of this version whose files are what its manifest says."""
    try:
        files = read_manifest(store).files
    except DataError:
        return False
    return all(is_intact(store / name, digest) for name, digest in files.items())


def open_cells(store: Path, split: Split) -> Cells:
    """Return the cells of one split, their counts memory-mapped."""
    manifest = read_manifest(store)
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    obs = pd.read_parquet(store / OBS, columns=["label", "donor", "batch", "split"])
    row_ids = np.flatnonzero(obs["split"] == split).astype(np.int64)
    rows = obs.iloc[row_ids]
    counts = CountsMatrix(
        indptr=np.load(store / INDPTR, mmap_mode="r"),
        indices=np.load(store / INDICES, mmap_mode="r"),
        values=np.load(store / COUNTS, mmap_mode="r"),
        n_genes=manifest.n_genes,
    )
    return Cells(
        counts=counts,
        row_ids=row_ids,
        genes=tuple((store / GENES).read_text(encoding="utf-8").splitlines()),
        label=rows["label"].to_numpy(dtype=np.int64),
        label_names=manifest.label_names,
        donor=rows["donor"].to_numpy(dtype=str),
        batch=rows["batch"].to_numpy(dtype=str),
        modality=read_modality(store, kind=manifest.modality),
        measured=read_measured(store),
    )
