"""Small cells for everybody's tests: made in milliseconds, with known types, donors and programmes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import numpy as np
from scipy.sparse import csr_matrix
from torch import Tensor

from sslbench.data.catalogue import DatasetSpec, spec_from_h5ad
from sslbench.data.cells import Cells, CountsMatrix
from sslbench.data.packed import PackedRows
from sslbench.data.store import prepare_store
from sslbench.data.synthetic import SyntheticDesign
from sslbench.data.synthetic import synthetic_adata as adata_of

SMALL: dict[str, Any] = {"n_cells": 240, "n_genes": 60, "n_types": 3, "n_programmes": 6}


def synthetic_adata(**design: Any) -> anndata.AnnData:
    """Cells with `cell_type`, `donor`, `batch` in obs and raw counts in X; see SyntheticDesign."""
    return adata_of(SyntheticDesign(**(SMALL | design)))


def synthetic_spec(folder: Path, *, donor_key: str | None = "donor", **design: Any) -> DatasetSpec:
    """The description of synthetic cells written to `folder`/synthetic.h5ad."""
    path = folder / "synthetic.h5ad"
    synthetic_adata(**design).write_h5ad(path)
    return spec_from_h5ad(path, label_key="cell_type", donor_key=donor_key, batch_key="batch")


def synthetic_store(folder: Path, *, n_top_genes: int | None = None, **design: Any) -> Path:
    """A cell store of synthetic cells, split by donor; open it with `open_cells(store, "train")`."""
    return prepare_store(synthetic_spec(folder, **design), n_top_genes=n_top_genes, root=folder)


def synthetic_cells(**design: Any) -> Cells:
    """All synthetic cells in memory, labelled, as code above the data room sees them."""
    adata = synthetic_adata(**design)
    names = tuple(sorted(set(adata.obs["cell_type"])))
    return Cells(
        counts=CountsMatrix.from_scipy(adata.X),
        row_ids=np.arange(adata.n_obs),
        genes=tuple(adata.var_names),
        label=np.array([names.index(label) for label in adata.obs["cell_type"]], dtype=np.int64),
        label_names=names,
        donor=adata.obs["donor"].to_numpy(dtype=str),
        batch=adata.obs["batch"].to_numpy(dtype=str),
    )


def packed_rows(x: Tensor) -> PackedRows:
    """The same values (n_cells, n_genes), of any floating type, with only the non-zeros listed."""
    rows = CountsMatrix.from_scipy(csr_matrix(x.numpy())).packed(np.arange(len(x)))
    return rows.with_values(x[x != 0])
