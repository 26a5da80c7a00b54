"""Small studies whose cells can be compared: files, and their descriptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import numpy as np

from sslbench.data.catalogue import DatasetSpec
from tests.factories import synthetic_adata

N_GENES = 80
GENES = tuple(f"GEN{i}A" for i in range(N_GENES))


def study(seed: int, *, depth: float = 2_000.0, n_cells: int = 60) -> anndata.AnnData:
    """60 cells x 80 genes; cells of different seeds are different, with some 80 non-zeros each at this depth."""
    adata = synthetic_adata(n_cells=n_cells, n_genes=N_GENES, n_donors=3, depth=depth, seed=seed)
    adata.var_names = list(GENES)
    return adata


def described(adata: anndata.AnnData, file: Path, **keys: Any) -> DatasetSpec:
    """The description of cells, written to `file`, under the file's name."""
    adata.write_h5ad(file)
    given: dict[str, Any] = {"label_key": "cell_type", "donor_key": "donor", "batch_key": "batch"}
    given |= {"min_cells_per_label": 1} | keys
    return DatasetSpec(name=file.stem, title=file.stem, files=(file,), **given)


def shuffled(adata: anndata.AnnData, seed: int = 0) -> anndata.AnnData:
    """The same cells under other names in another order, and their genes in another order."""
    generator = np.random.default_rng(seed)
    cells, genes = (generator.permutation(n) for n in adata.shape)
    other = adata[cells][:, genes].copy()
    other.obs_names = [f"other{i}" for i in range(other.n_obs)]
    return other
