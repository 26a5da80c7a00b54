"""The cell store: raw counts of one data set on disk, checked and split once, memory-mapped by every trial."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from sslbench.config import fingerprint
from sslbench.data.catalogue import DatasetSpec
from sslbench.data.cells import Cells, CountsMatrix
from sslbench.data.manifest import STORE_SCHEMA, StoreManifest, read_manifest
from sslbench.data.splits import SPLITS, Split
from sslbench.data.store_writer import COUNTS, GENES, INDICES, INDPTR, OBS, new_folder
from sslbench.errors import DataError
from sslbench.ledger import sha256

__all__ = ["StoreManifest", "open_cells", "prepare_store", "read_manifest"]


def prepare_store(spec: DatasetSpec, *, n_top_genes: int | None, root: Path) -> Path:
    """Return the folder of the store of `spec` under `root`, building it if it is not there yet.

    The folder's name follows from the bytes of the source, the description and `n_top_genes`, so a
    changed file or description is another store. Safe to call from many processes at once.

    Raises
    ------
    DataError
        If the file, its counts, cells, genes, labels or donors cannot be used as described.
    """
    # Imported here: building needs anndata and h5py, a trial that only reads does without.
    from sslbench.data.h5ad import check_is_hdf5
    from sslbench.data.store_building import build_store

    check_is_hdf5(spec.file)
    source_sha256 = sha256(spec.file)
    key = fingerprint([STORE_SCHEMA, source_sha256, spec.identity(), n_top_genes])
    folder = root / f"{spec.name}-{key}"
    if not is_whole(folder):
        with new_folder(folder, is_whole=is_whole) as temporary:
            build_store(
                spec, source_sha256=source_sha256, n_top_genes=n_top_genes, folder=temporary
            )
    return folder


def is_whole(store: Path) -> bool:
    """Say whether the folder is a store of this version whose files are what its manifest says."""
    try:
        files = read_manifest(store).files
    except DataError:
        return False
    return all((store / f).is_file() and sha256(store / f) == files[f] for f in files)


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
    )
