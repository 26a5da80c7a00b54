"""The genes of a store: unique names, and the highly variable ones of the training cells."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix

from sslbench.data.cells import TARGET_SUM
from sslbench.errors import DataError

_ENSEMBL_VERSION = re.compile(r"(ENS[A-Z]*G\d{11})\.\d+$")


def gene_names(var_names: Sequence[str], *, where: str) -> tuple[str, ...]:
    """Return the names, versions of Ensembl ids stripped; raise DataError D120 if two are equal."""
    names = tuple(_ENSEMBL_VERSION.sub(r"\1", str(name).strip()) for name in var_names)
    check_unique(names, what="genes", code="D120", where=where, fix="adata.var_names_make_unique()")
    return names


def check_unique(names: Sequence[str], *, what: str, code: str, where: str, fix: str) -> None:
    """Raise DataError `code` with examples if a name of `what` (genes, cells) stands twice."""
    if len(set(names)) == len(names):
        return
    twice = [name for name, n in Counter(names).items() if n > 1]
    raise DataError(
        f"two {what} have the same name", code=code, where=where,
        found=f"{len(twice):,} names stand twice, e.g. {', '.join(twice[:5])}", fix=fix,
    )  # fmt: skip


def highly_variable(counts: csr_matrix, *, n_top_genes: int | None) -> np.ndarray:
    """Return the columns (n_kept,) int64, ascending, of the most variable genes of training counts.

    `counts` (n_train_cells, n_genes) are raw; they are scaled to 10,000 a cell and log1p is taken, then
    scanpy ranks the genes by normalised dispersion (Satija et al. 2015, doi 10.1038/nbt.3192). None, or
    more than there are, keeps every gene.
    """
    n_genes = counts.shape[1]
    if n_top_genes is None or n_top_genes >= n_genes:
        return np.arange(n_genes)
    import anndata  # only here: reading a store needs neither
    import scanpy

    train = anndata.AnnData(csr_matrix(counts, dtype=np.float32))
    scanpy.pp.normalize_total(train, target_sum=TARGET_SUM)
    scanpy.pp.log1p(train)
    ranked = scanpy.pp.highly_variable_genes(train, flavor="seurat", inplace=False)
    dispersion = ranked["dispersions_norm"].to_numpy(dtype=np.float64)
    # Ties are cut by position: scanpy's own flag keeps all genes tied at the threshold.
    best_first = np.argsort(-np.nan_to_num(dispersion, nan=-np.inf), kind="stable")
    return np.sort(best_first[:n_top_genes]).astype(np.int64)
