"""The genes of a store: unique names, and the highly variable ones of the training cells."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix

from sslbench.data.cells import TARGET_SUM
from sslbench.data.gene_ids import (
    excel_dates,
    is_ensembl,
    kind_of,
    named_ids_among_symbols,
    unversioned,
)
from sslbench.errors import DataError

MAX_EXAMPLES = 5

_log = logging.getLogger(__name__)


def gene_names(var_names: Sequence[str], *, where: str) -> tuple[str, ...]:
    """Return the names, versions of Ensembl ids and blanks around them stripped.

    Raises
    ------
    DataError
        D135 if a spreadsheet has made dates of some, D136 if one is empty or more than one line, D120 if
        two are equal, D134 if symbols and Ensembl ids of genes that have symbols are mixed.
    """
    names = tuple(unversioned(str(name).strip()) for name in var_names)
    _refuse_dates(names, where)
    _refuse_unwritable(names, where)
    check_unique(names, what="genes", code="D120", where=where, fix="adata.var_names_make_unique()")
    _refuse_mixed(names, where)
    if kind_of(names) == "numbered":
        _log.warning(
            "%s: genes are numbered (%s, …): neither gene programmes nor other data will know them",
            where,
            ", ".join(names[:3]),
        )
    return names


def _refuse_dates(names: Sequence[str], where: str) -> None:
    dates = excel_dates(names)
    if not dates:
        return
    some = dict(list(dates.items())[:MAX_EXAMPLES])
    raise DataError(
        "a spreadsheet has turned gene names into dates",
        code="D135",
        where=f"{where}, var_names",
        found=f"{len(dates):,} names, e.g. {', '.join(some)}",
        fix=f"adata.var_names = [{some}.get(g, g) for g in adata.var_names], with all of them; "
        "1-Mar and 2-Mar may also have been MTARC1 and MTARC2",
    )


def _refuse_unwritable(names: Sequence[str], where: str) -> None:
    """Gene lists are kept with a name on each line."""
    wrong = [(i, name) for i, name in enumerate(names) if len(name.splitlines()) != 1]
    if wrong:
        raise DataError(
            "a gene name is one line that is not empty",
            code="D136",
            where=f"{where}, var_names",
            found=f"{len(wrong):,} names, e.g. gene {wrong[0][0] + 1:,}: {wrong[0][1]!r:.60}",
            fix="rename these genes, or leave them out",
        )


def _refuse_mixed(names: Sequence[str], where: str) -> None:
    ids = named_ids_among_symbols(names)
    if not ids:
        return
    symbols = [name for name in names if not is_ensembl(name)]
    raise DataError(
        "gene names are symbols and Ensembl ids mixed: a gene of one kind is never found by the other",
        code="D134",
        where=f"{where}, var_names",
        found=f"{len(symbols):,} symbols, e.g. {', '.join(symbols[:3])}; "
        f"{len(ids):,} ids of genes that have a symbol, e.g. {', '.join(ids[:3])}",
        fix="name all genes alike, if var has a column for it: "
        "adata.var_names = adata.var['gene_symbols']; adata.var_names_make_unique()",
    )


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
