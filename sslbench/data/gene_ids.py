"""What kind of names do the genes have, and which symbols do Ensembl ids stand for? No table but the file's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import pandas as pd

Kind = Literal["symbols", "human Ensembl", "mouse Ensembl", "other Ensembl", "mixed", "numbered"]

# Where files keep symbols beside ids, most telling name first.
SYMBOL_COLUMNS = (
    "gene_symbols", "gene_symbol", "symbol", "symbols", "gene_name", "gene_names", "feature_name",
    "hgnc_symbol", "mgi_symbol", "gene_short_name", "features", "name", "gene", "genes",
)  # fmt: skip
_ENSEMBL = re.compile(r"(ENS[A-Z]*[GT]\d{6,})(\.\d+)?")
# Numbers were given in the order of annotation: nearly all genes below these have a symbol. Novel genes
# above have none, and references list them by their id among symbols: those names are not mixed up.
_NAMED_BELOW = {"ENSG": 200_000, "ENSMUSG": 80_000}
MIXED_FROM = 0.1  # of all names, of each kind
MIXED_AT_LEAST = 20  # names of each kind
SPECIES_FROM = (
    0.7  # of all symbols; human lncRNA, mouse antibody and viral genes are written otherwise
)
_NUMBERED = re.compile(r"(gene|g|var|feature)?[ _.-]?\d+", re.IGNORECASE)
_MONTH = "Mar|Sep|Sept|Dec"
_EXCEL = re.compile(rf"(\d{{1,2}})-({_MONTH})|({_MONTH})-(\d{{2}})", re.IGNORECASE)
_FAMILY = {"mar": "MARCHF", "sep": "SEPTIN", "dec": "DELEC"}
_MOUSE_SYMBOL = re.compile(r"[A-Z][a-z0-9]*[a-z][a-z0-9]*(-[a-zA-Z0-9]+)?")


def unversioned(name: str) -> str:
    """Return an Ensembl id without its version; any other name as it is."""
    match = _ENSEMBL.fullmatch(name)
    return match[1] if match else name


def is_ensembl(name: str) -> bool:
    """Say whether a name is an Ensembl id of any species."""
    return _ENSEMBL.fullmatch(name) is not None


def kind_of(names: Sequence[str]) -> Kind:
    """Return what kind of names genes have; a few others among them do not matter."""
    if named_ids_among_symbols(names):
        return "mixed"
    ids = [name for name in names if is_ensembl(name)]
    if len(ids) > len(names) / 2:
        human = sum(name.startswith("ENSG") for name in ids)
        mouse = sum(name.startswith("ENSMUSG") for name in ids)
        if max(human, mouse) <= len(ids) / 2:
            return "other Ensembl"
        return "human Ensembl" if human > mouse else "mouse Ensembl"
    n_numbered = sum(_NUMBERED.fullmatch(name) is not None for name in names)
    return "numbered" if n_numbered > len(names) / 2 else "symbols"


def species_of(names: Sequence[str]) -> Literal["human", "mouse"] | None:
    """Return the species that Ensembl ids, or upper and lower case of symbols, speak for; None if neither."""
    kind = kind_of(names)
    if kind in ("human Ensembl", "mouse Ensembl"):
        return "human" if kind == "human Ensembl" else "mouse"
    words = [name for name in names if sum(map(str.isalpha, name)) >= 2 and not is_ensembl(name)]
    if kind != "symbols" or not words:
        return None
    mouse = sum(_MOUSE_SYMBOL.fullmatch(name) is not None for name in words)
    human = sum(name.upper() == name for name in words)
    if max(mouse, human) < SPECIES_FROM * len(words):
        return None
    return "human" if human > mouse else "mouse"


def named_ids_among_symbols(names: Sequence[str]) -> list[str]:
    """Return the Ensembl ids of genes that have a symbol, if they and symbols are many."""
    ids = [name for name in names if is_ensembl(name)]
    named = [name for name in ids if _has_symbol(name)]
    fewest = max(MIXED_AT_LEAST, MIXED_FROM * len(names))
    return named if named and len(named) >= fewest and len(names) - len(ids) >= fewest else []


def excel_dates(names: Sequence[str]) -> dict[str, str]:
    """Return the names that a spreadsheet has made of symbols, such as `2-Sep`, each with the symbol it was.

    `1-Mar` and `2-Mar` were MARCHF1 and MARCHF2, or MTARC1 and MTARC2: the name no longer tells.
    """
    found = {}
    for name in names:
        match = _EXCEL.fullmatch(name)
        if match:
            number, month = match[1] or match[4], match[2] or match[3]
            found[name] = f"{_FAMILY[month.lower()[:3]]}{int(number)}"
    return found


def as_symbols(names: Sequence[str], var: pd.DataFrame) -> list[str]:
    """Return the names with Ensembl ids replaced by the symbols that a column of `var` (n_genes, …) gives.

    Without such a column, and of genes without a symbol or whose symbol an earlier gene bears already, the
    id stays. Case is never changed: it tells species apart.
    """
    column = symbol_column(var)
    if column is None or not any(map(is_ensembl, names)):
        return list(names)
    taken = {name for name in names if not is_ensembl(name)}
    renamed = []
    for name, symbol in zip(names, var[column].astype(str), strict=True):
        usable = is_ensembl(name) and not is_no_name(symbol) and symbol.strip() not in taken
        renamed.append(symbol.strip() if usable else name)
        taken.add(renamed[-1])
    return renamed


def symbol_column(var: pd.DataFrame) -> str | None:
    """Return the column of `var` that holds symbols, None if none does: known by its name, checked by its values."""
    columns = {str(column).lower(): str(column) for column in reversed(var.columns.tolist())}
    for wanted in SYMBOL_COLUMNS:
        column = columns.get(wanted)
        if column is not None and not pd.api.types.is_numeric_dtype(var[column]):
            values = [value for value in var[column].astype(str) if not is_no_name(value)]
            if len(values) > len(var) / 2 and kind_of(values) == "symbols":
                return column
    return None


def is_no_name(name: str) -> bool:
    """Say whether a name is empty or what a table writes where there is none."""
    return name.strip().lower() in ("", "nan", "none", "na", "<na>")


def _has_symbol(name: str) -> bool:
    word, number = re.match(r"([A-Z]+)(\d+)", name).groups()  # type: ignore[union-attr]
    return int(number) < _NAMED_BELOW.get(word, 0)
