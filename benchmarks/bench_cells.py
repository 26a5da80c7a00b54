"""The cells that the groups measure with: synthetic, as sparse as real ones, once as AnnData and once as a store."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import scanpy as sc
import torch
from anndata import AnnData, read_h5ad
from scipy.sparse import csr_matrix

from sslbench.data.catalogue import spec_of_file
from sslbench.data.cells import TARGET_SUM, Cells
from sslbench.data.store import open_cells, prepare_store
from sslbench.data.store_writer import OBS
from sslbench.data.synthetic import SyntheticDesign, synthetic_adata, write_synthetic_h5ad

ALL_GENES = 19_331  # protein-coding genes, as published pretraining on whole human cells has them
DENSITY = 0.066  # share of the genes that one cell counts: 1,270 of 19,331
N_DONORS = 5  # of equally many cells; a store trains on three of them
PILOT_CELLS = 100


@dataclass(frozen=True, kw_only=True)
class BenchCells:
    """The same cells in the same order, as this project trains on them and as everybody has them."""

    folder: TemporaryDirectory[str]  # vanishes with the process; also free for files of other sides
    store: Path
    cells: Cells  # training cells of the store, counts memory-mapped
    adata: AnnData  # the same cells in memory, raw counts in X (CSR, float32), obs as in the file

    def normalised(self) -> AnnData:
        """Return the AnnData with X as scanpy normalises it: 10,000 a cell, log1p, float32."""
        adata = self.adata.copy()
        threads = torch.get_num_threads()
        sc.pp.normalize_total(adata, target_sum=TARGET_SUM)
        sc.pp.log1p(adata)
        # scanpy's compiled code starts OpenMP threads on all cores, and torch would take over their number
        torch.set_num_threads(threads)
        return adata


def design_of(*, n_cells: int, n_genes: int, density: float) -> SyntheticDesign:
    """Return the design of cells that count about the share `density` of the genes.

    The depth that gives this density is found by halving between 1 and a million counts a cell.
    """
    low, high = 1.0, 1e6
    for _ in range(16):
        depth = float(np.sqrt(low * high))
        pilot = SyntheticDesign(
            n_cells=PILOT_CELLS, n_genes=n_genes, n_donors=N_DONORS, depth=depth
        )
        counts = next(pilot.blocks())[0]
        low, high = (depth, high) if counts.nnz < density * np.prod(counts.shape) else (low, depth)
    return SyntheticDesign(n_cells=n_cells, n_genes=n_genes, n_donors=N_DONORS, depth=high)


def adata_of(*, n_cells: int, n_genes: int, density: float = DENSITY) -> AnnData:
    """Return cells in memory: raw counts in X, `cell_type`, `donor` and `batch` in obs."""
    return synthetic_adata(design_of(n_cells=n_cells, n_genes=n_genes, density=density))


@cache
def bench_cells(*, n_cells: int, n_genes: int, density: float = DENSITY) -> BenchCells:
    """Return `n_cells` training cells of a store in a temporary folder; the groups of a run share them."""
    folder = TemporaryDirectory(prefix="sslbench-benchmark-")
    path = Path(folder.name) / "cells.h5ad"
    in_all = -(-n_cells * N_DONORS // 3)
    write_synthetic_h5ad(design_of(n_cells=in_all, n_genes=n_genes, density=density), path)
    spec = spec_of_file(path, label_key="cell_type", donor_key="donor", batch_key="batch")
    store = prepare_store(spec, n_top_genes=None, root=Path(folder.name))
    cells = open_cells(store, "train").at(np.arange(n_cells))
    names = pd.read_parquet(store / OBS, columns=["cell"])["cell"].to_numpy()[cells.row_ids]
    adata = read_h5ad(path)[names, list(cells.genes)].copy()
    adata.X = csr_matrix(adata.X)
    return BenchCells(folder=folder, store=store, cells=cells, adata=adata)
