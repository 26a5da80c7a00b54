"""Cells as an AnnData, for the packages that train on nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sslbench.data.cells import Cells

if TYPE_CHECKING:
    from anndata import AnnData

BATCH = "batch"  # the column of obs


def as_anndata(cells: Cells) -> AnnData:
    """Return the raw counts (n_cells, n_genes) float32, sparse and in memory, and the batch of each cell in `obs`.

    Donors stand in for batches where the data set names none. Labels are not in it.
    """
    import anndata
    import pandas as pd
    from scipy.sparse import csr_matrix

    packed = cells.counts.packed(cells.row_ids)
    pattern = packed.pattern
    counts = csr_matrix(
        (packed.value.numpy(), pattern.gene.numpy(), pattern.indptr.numpy()), shape=pattern.shape
    )
    named = np.any(cells.batch != "")
    obs = pd.DataFrame(
        {BATCH: pd.Categorical(cells.batch if named else cells.donor)},
        index=pd.Index(cells.row_ids.astype(str)),
    )
    return anndata.AnnData(counts, obs=obs, var=pd.DataFrame(index=pd.Index(cells.genes)))
