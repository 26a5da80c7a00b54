"""Are labels written consistently? Two spellings of one cell type would be two classes, each with part of its cells."""

from __future__ import annotations

import logging
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import pandas as pd

from sslbench.errors import DataError

MAX_EXAMPLES = 4
CLUSTERINGS = ("louvain", "leiden", "cluster", "snn_res")

_log = logging.getLogger(__name__)


def refuse_odd_labels(
    values: pd.Series, *, key: str, where: str, ignored: Iterable[str] = ()
) -> None:
    """Check how the labels `values` (n_cells,) of the obs column `key` are written; `ignored` ones may be anything.

    Raises
    ------
    DataError
        D146 if they are of several types, such as numbers and words; D145 if some differ only by case,
        blanks or unicode form.
    """
    kinds: dict[str, object] = {}
    for value in pd.unique(values.dropna()):
        kinds.setdefault(_type_of(value), value)
    if len(kinds) > 1:
        raise DataError(
            f"the labels in obs[{key!r}] are of several types",
            code="D146",
            where=where,
            found=", ".join(f"{kind}: {example!r}" for kind, example in sorted(kinds.items())),
            fix=f"adata.obs[{key!r}] = adata.obs[{key!r}].astype(str)",
        )
    counted = values.dropna().astype(str).value_counts().drop(list(ignored), errors="ignore")
    _refuse_spellings(counted, key, where)


def _refuse_spellings(n_cells: pd.Series, key: str, where: str) -> None:
    """Raise DataError D145 if two labels, the index of `n_cells`, have the same plain form."""
    forms: dict[str, list[str]] = defaultdict(list)
    for label in n_cells[n_cells > 0].index:  # the one with most cells first
        forms[plain_form(label)].append(str(label))
    merges = {other: same[0] for same in forms.values() for other in same[1:]}
    if not merges:
        return
    some = dict(list(merges.items())[:MAX_EXAMPLES])
    raise DataError(
        f"labels in obs[{key!r}] differ only by case, blanks or unicode form",
        code="D145",
        where=where,
        found=f"{len(merges):,} of {len(n_cells):,}, e.g. "
        + "; ".join(
            f"{a!a} ({n_cells[a]:,} cells) and {b!a} ({n_cells[b]:,})"
            for a, b in list(some.items())[:2]
        ),
        fix=f"adata.obs[{key!r}] = adata.obs[{key!r}].astype(str).replace({some!a})",
    )


def plain_form(label: str) -> str:
    """Return a label without case, unicode form and runs of blanks: equal for spellings of one type."""
    return " ".join(unicodedata.normalize("NFKC", label).casefold().split())


def refuse_labels_of_donors(
    *, labels: np.ndarray, donors: np.ndarray, key: str, where: str, ignored: Iterable[str] = ()
) -> None:
    """Raise DataError D147 if each label (n_cells,) belongs to one donor (n_cells,): to know one is to know the other."""
    pairs = pd.DataFrame({"label": labels, "donor": donors})
    pairs = pairs[~pairs["label"].isin(list(ignored))].drop_duplicates()
    if (
        pairs["donor"].nunique() < 2
        or pairs["label"].nunique() < 2
        or pairs["label"].duplicated().any()
    ):
        return
    some = "; ".join(f"{label}: {donor}" for label, donor in pairs.head(MAX_EXAMPLES).to_numpy())
    raise DataError(
        f"each label in obs[{key!r}] belongs to one donor: none could be trained on and tested",
        code="D147",
        where=where,
        found=some,
        fix="choose the column of cell types as label_key, and that of people as donor_key",
    )


def warn_of_clusters(obs: pd.DataFrame, *, key: str, where: str) -> None:
    """Log a warning if the labels in `key` are one of the other columns of `obs` (n_cells, …) renamed, and that is a clustering."""
    codes = pd.factorize(obs[key])[0]
    for column in obs.columns:
        if column == key or not any(word in str(column).lower() for word in CLUSTERINGS):
            continue
        pairs = np.unique(np.stack([codes, pd.factorize(obs[column])[0]]), axis=1)
        if len(pairs[0]) == len(set(pairs[0])) == len(set(pairs[1])):
            _log.warning(
                "%s: obs[%r] is obs[%r] renamed: labels from clusters of the same expression favour "
                "embeddings that cluster alike",
                where, key, column,
            )  # fmt: skip


def _type_of(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return "truth value"
    return "number" if isinstance(value, int | float | np.number) else "word"
