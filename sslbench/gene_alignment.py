"""Which of your genes is which of the model's? By name, Ensembl versions aside; never by position or by case."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from sslbench.data.gene_ids import species_of, unversioned
from sslbench.errors import DataError

REFUSE_BELOW = 0.5
_N_EXAMPLES = 5


def align_genes(model_genes: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Return the position in `names` of each model gene, (n_model_genes,) int64; -1 where it is missing.

    Raises
    ------
    DataError
        D131 if one of the model's genes is there twice: which one to read would be a guess.
    """
    wanted = {unversioned(gene) for gene in model_genes}
    place: dict[str, int] = {}
    for position, name in enumerate(map(unversioned, names)):
        if name in wanted and place.setdefault(name, position) != position:
            raise DataError(
                "gene names must be distinct to align them with the model's",
                code="D131",
                found=f"{name!r} is gene {place[name] + 1:,} and gene {position + 1:,}",
                fix="adata.var_names_make_unique() keeps the first under its name",
            )
    return np.array([place.get(unversioned(gene), -1) for gene in model_genes], dtype=np.int64)


def refuse_low_coverage(
    model_genes: Sequence[str], column: np.ndarray, genes: pd.DataFrame
) -> None:
    """Raise DataError if `column`, from `align_genes`, finds fewer than half of the model's genes.

    `genes` is the table of the cells' genes. D133 if they are of another species than the model's, else D130,
    which names a column of the table if that overlaps more.
    """
    n_found = int(np.count_nonzero(column >= 0))
    if n_found >= REFUSE_BELOW * len(model_genes):
        return
    missing = [gene for gene, place in zip(model_genes, column, strict=True) if place < 0]
    used = set(column[column >= 0].tolist())
    others = [str(name) for place, name in enumerate(genes.index) if place not in used]
    found = (
        f"{n_found:,} of {len(model_genes):,} ({n_found / len(model_genes):.0%}); "
        f"the model's: {_examples(missing)}; yours: {_examples(others)}"
    )
    species = species_of(model_genes), species_of([str(name) for name in genes.index])
    elsewhere = _column_remedy(model_genes, n_found, genes)
    if not elsewhere and None not in species and species[0] != species[1]:
        raise DataError(
            f"the model reads {species[0]} genes, these cells have {species[1]} genes",
            code="D133",
            found=found,
            fix=f"use a model trained on {species[1]} cells, or rename genes to their orthologues",
        )
    raise DataError(
        "these cells lack more than half of the genes that the model reads",
        code="D130",
        found=found,
        fix=elsewhere or _remedy(model_genes, n_found, genes),
    )


def _column_remedy(model_genes: Sequence[str], n_found: int, genes: pd.DataFrame) -> str:
    """Say which column of `genes` holds more of the model's names than its index; "" if none does."""
    wanted = {unversioned(gene) for gene in model_genes}
    overlaps = {name: _overlap(wanted, genes[name].astype(str)) for name in _text_columns(genes)}
    best = max(overlaps, key=overlaps.__getitem__, default=None)
    if best is None or overlaps[best] <= n_found:
        return ""
    return (
        f"var[{best!r}] has {overlaps[best]:,} of them: adata.var_names = "
        f"adata.var[{best!r}].astype(str); adata.var_names_make_unique()"
    )


def _remedy(model_genes: Sequence[str], n_found: int, genes: pd.DataFrame) -> str:
    wanted = {unversioned(gene).upper() for gene in model_genes}
    if _overlap(wanted, (str(n).upper() for n in genes.index)) > n_found:
        return (
            "the names differ in upper and lower case: cells of another species than the model's?"
        )
    return "name genes as the model's genes.txt does, or use a model trained on genes like yours"


def _text_columns(genes: pd.DataFrame) -> list[str]:
    return [
        str(name)
        for name in genes.columns
        if not pd.api.types.is_numeric_dtype(genes[name]) and isinstance(name, str)
    ]


def _overlap(wanted: set[str], names: Iterable[str]) -> int:
    return len(wanted & set(map(unversioned, names)))


def _examples(names: Sequence[str]) -> str:
    return ", ".join(names[:_N_EXAMPLES]) or "none"
