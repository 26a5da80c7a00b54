"""What kind of names genes have, and how many of them stand in the gene lists that come with sslbench."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from sslbench.data.catalogue import BUNDLED
from sslbench.data.gene_ids import kind_of
from sslbench.data.gmt import BUNDLED_SETS, read_gmt

# Of the names; whole human transcriptomes with all their non-coding genes have 0.4.
RECOGNISED = 0.1


@dataclass(frozen=True, kw_only=True)
class GeneNames:
    """What is seen of the gene names of a file."""

    n_genes: int
    kind: str  # in words
    n_known: int  # of these genes, in the bundled lists of human symbols
    better_column: str | None  # column of var in which more of them are known

    @property
    def recognised(self) -> bool:
        """Whether so many are known that bundled gene programmes can be used."""
        return self.n_known >= RECOGNISED * self.n_genes


def describe_genes(table: pd.DataFrame) -> GeneNames:
    """Return what is seen of a table of genes, by its index and its text columns."""
    known = bundled_symbols()
    names = [str(name) for name in table.index]
    n_known = _n_known(names, known)
    by_column = {str(c): _n_known(table[c].astype(str), known) for c in _text_columns(table)}
    best = max(by_column, key=by_column.__getitem__, default=None)
    return GeneNames(
        n_genes=len(names),
        kind=_kind(names, n_known=n_known, known=known),
        n_known=n_known,
        better_column=best if best is not None and by_column[best] > n_known else None,
    )


def bundled_symbols() -> frozenset[str]:
    """Return every human gene symbol in the gene sets and lists that come with sslbench."""
    sets = [read_gmt(BUNDLED / file) for file in BUNDLED_SETS.values()]
    symbols = {gene for named in sets for genes in named.values() for gene in genes}
    factors = (BUNDLED / "transcription_factors.txt").read_text(encoding="utf-8").split()
    return frozenset(symbols | set(factors))


def _kind(names: Sequence[str], *, n_known: int, known: frozenset[str]) -> str:
    if kind_of(names).endswith("Ensembl"):
        return f"{kind_of(names)} ids"
    if n_known >= RECOGNISED * len(names):
        return "human gene symbols"
    if _n_known([name.upper() for name in names], known) >= RECOGNISED * len(names):
        return "gene symbols of another species, by their case"
    return "names of no known kind"


def _n_known(names: Sequence[str] | pd.Series, known: frozenset[str]) -> int:
    return sum(name in known for name in names)


def _text_columns(table: pd.DataFrame) -> list[str]:
    return [c for c in table.columns if not pd.api.types.is_numeric_dtype(table[c])]
