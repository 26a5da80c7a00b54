"""The cells that are trained on, chosen on and tested on, and the labels that are scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from sslbench.data.catalogue import DatasetSpec, DonorSplits
from sslbench.errors import DataError, nearest

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
SHARES: Mapping[Split, float] = {"train": 0.6, "val": 0.2, "test": 0.2}
SPLIT_SEED = 0  # the split belongs to the data set, never to a trial


@dataclass(frozen=True, kw_only=True)
class LabelSet:
    """The labels that are scored, and those that are not, with the reason."""

    names: tuple[str, ...]
    excluded: dict[str, str]

    def codes(self, labels: np.ndarray) -> np.ndarray:
        """Return codes (n_cells,) int64 into `names`, -1 for every other label."""
        return pd.Index(self.names).get_indexer(pd.Index(labels)).astype(np.int64)


def assign_donors(donors: np.ndarray, *, where: str = "") -> DonorSplits:
    """Return a fixed assignment of whole donors, from the donor of each cell (n_cells,) str.

    Donors are taken from the one with most cells to the one with fewest (ties by name): the first to
    train, the second to test, the third to val, each further one to the split that is furthest below its
    share of 60, 20 and 20 % of the cells.

    Raises
    ------
    DataError
        D150 if there are fewer than three donors: each split needs one of its own.
    """
    n_cells = pd.Series(donors).value_counts()
    if len(n_cells) < len(SPLITS):
        raise DataError(
            f"three donors are needed to hold whole donors out, here are {len(n_cells)}",
            code="D150",
            where=where,
            found=", ".join(f"{d}: {n:,} cells" for d, n in sorted(n_cells.items())),
            fix="set `donor_key: null` to split cells instead (the results are stamped so)",
        )
    order = sorted((-n, str(donor)) for donor, n in n_cells.items())
    members: dict[Split, list[str]] = {"train": [], "val": [], "test": []}
    size = dict.fromkeys(SPLITS, 0)
    first: tuple[Split, ...] = ("train", "test", "val")
    for i, (minus_n, donor) in enumerate(order):
        split = first[i] if i < len(first) else min(SPLITS, key=lambda s: size[s] / SHARES[s])
        members[split].append(donor)
        size[split] -= minus_n
    return DonorSplits(**{split: tuple(sorted(members[split])) for split in SPLITS})


def split_by_donor(donors: np.ndarray, splits: DonorSplits, *, where: str = "") -> np.ndarray:
    """Return the split (n_cells,) str of each cell from its donor (n_cells,) str.

    Raises
    ------
    DataError
        D152 if a donor is in no split; D153 if a split names a donor that has no cells.
    """
    split_of = {donor: split for split in SPLITS for donor in getattr(splits, split)}
    known = set(donors.tolist())
    missing = sorted(set(split_of) - known)
    if missing:
        raise DataError(
            f"no cells of donor {missing[0]!r}", code="D153", where=where,
            found=f"{len(known):,} other donors", fix=nearest(missing[0], known),
        )  # fmt: skip
    homeless = sorted(known - set(split_of))
    if homeless:
        raise DataError(
            "every donor belongs to a split",
            code="D152",
            where=where,
            found=f"in none: {', '.join(repr(d) for d in homeless[:8])}",
            fix="add them to `splits`, or to `exclude_donors`",
        )
    return pd.Series(donors).map(split_of).to_numpy(dtype=object)


def split_by_cell(labels: np.ndarray) -> np.ndarray:
    """Return the split (n_cells,) str of each cell: 60, 20 and 20 % of the cells of each label (n_cells,)."""
    generator = np.random.default_rng(SPLIT_SEED)
    split = np.empty(len(labels), dtype=object)
    ends = np.cumsum([SHARES[s] for s in SPLITS])
    code, names = pd.factorize(labels, sort=True)
    for i in range(len(names)):
        cells = generator.permutation(np.flatnonzero(code == i))
        cuts = np.rint(ends[:-1] * len(cells)).astype(int)
        for name, part in zip(SPLITS, np.split(cells, cuts)):
            split[part] = name
    return split


def fixed_label_set(labels: np.ndarray, split: np.ndarray, spec: DatasetSpec) -> LabelSet:
    """Return the labels with enough cells in train and in test; both arrays are (n_cells,) str.

    Raises
    ------
    DataError
        D142 if fewer than two labels are left: nothing could be told apart; D154 if validation has none.
    """
    if spec.label_key is None:
        return LabelSet(names=(), excluded={})
    excluded: dict[str, str] = {}
    table = pd.crosstab(labels, split).reindex(columns=list(SPLITS), fill_value=0)
    named = table.drop(index=list(spec.unlabelled), errors="ignore").sort_index()
    for label in named.index.tolist():
        n = {name: int(named.loc[label, name]) for name in SPLITS}
        few = [s for s in ("train", "test") if n[s] < spec.min_cells_per_label]
        counted = ", ".join(f"{name} {number}" for name, number in n.items())
        if label in spec.residual:
            excluded[label] = f"residual class ({counted})"
        elif few:
            excluded[label] = (
                f"fewer than {spec.min_cells_per_label} in {' and '.join(few)} ({counted})"
            )
    scored = [label for label in named.index.tolist() if label not in excluded]
    if len(scored) < 2:
        raise DataError(
            f"two cell types are needed to tell apart, {len(scored)} can be scored",
            code="D142",
            where=f"{spec.file}, obs[{spec.label_key!r}]",
            found="; ".join(f"{label}: {why}" for label, why in excluded.items()) or f"{scored}",
            fix="choose another label_key, or other splits",
        )
    if not named.loc[scored, "val"].any():
        raise DataError(
            "no validation cell has a label that is scored: nothing could be chosen",
            code="D154",
            where=f"{spec.file}, obs[{spec.label_key!r}]",
            found=f"{int((split == 'val').sum()):,} cells, scored labels: {', '.join(scored)}",
            fix="choose other splits",
        )
    return LabelSet(names=tuple(scored), excluded=excluded)
