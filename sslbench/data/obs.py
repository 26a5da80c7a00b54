"""The cells of a file as a store keeps them: which rows, their labels, donors, batches and split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sslbench.data.catalogue import DatasetSpec
from sslbench.data.genes import check_unique
from sslbench.data.label_forms import (
    refuse_labels_of_donors,
    refuse_odd_labels,
    warn_of_clusters,
)
from sslbench.data.splits import (
    LabelSet,
    assign_donors,
    fixed_label_set,
    split_by_cell,
    split_by_donor,
)
from sslbench.errors import DataError, nearest

MAX_EMPTY = 0.05


@dataclass(frozen=True, kw_only=True)
class KeptCells:
    """The cells of a file that have counts and are of no excluded donor; arrays are (n_kept,)."""

    rows: np.ndarray  # int64: rows of the file
    cell: np.ndarray  # str: names
    donor: np.ndarray  # str, "" if none are known
    batch: np.ndarray  # str, "" if none are known
    n_empty: int
    n_excluded: int


@dataclass(frozen=True, kw_only=True)
class CellTable(KeptCells):
    """The kept cells with what a store knows of them."""

    label: np.ndarray  # int64: codes into labels.names, -1 unlabelled
    split: np.ndarray  # "train", "val" or "test"
    labels: LabelSet
    split_rule: str

    def frame(self) -> pd.DataFrame:
        """Return the table that a store keeps, one row a cell; what many cells share is categorical."""
        shared = {"donor": self.donor, "batch": self.batch, "split": self.split}
        categorical = {key: pd.Categorical(values) for key, values in shared.items()}
        return pd.DataFrame({"cell": self.cell, "label": self.label} | categorical)

    def donors_of(self, split: str) -> tuple[str, ...]:
        """Return the donors of a split, sorted; none if none are known."""
        return tuple(sorted(set(self.donor[self.split == split].tolist()) - {""}))


def read_cell_table(spec: DatasetSpec, obs: pd.DataFrame, *, has_counts: np.ndarray) -> CellTable:
    """Return the cells that are kept, with their labels and splits.

    Raises
    ------
    DataError
        What `kept_cells` raises, D141 labels missing, D145 or D146 labels written in several ways, D147
        labels that are the donors, or what the splits raise.
    """
    where, kept = str(spec.file), kept_cells(spec, obs, has_counts=has_counts)
    label = _labels(obs.iloc[kept.rows], spec, kept.donor, where)
    split, rule = _split(spec, kept.donor, label, where)
    labels = fixed_label_set(label, split, spec)
    return CellTable(
        **vars(kept), label=labels.codes(label), split=split, labels=labels, split_rule=rule
    )


def kept_cells(spec: DatasetSpec, obs: pd.DataFrame, *, has_counts: np.ndarray) -> KeptCells:
    """Return the cells with counts (`has_counts` (n_cells,) bool) that are of no excluded donor.

    Raises
    ------
    DataError
        D121 names twice, D109 too many empty cells, D140 no such column.
    """
    where = str(spec.file)
    names = obs.index.astype(str).to_numpy(dtype=object)
    check_unique(
        names.tolist(), what="cells", code="D121", where=where, fix="adata.obs_names_make_unique()"
    )
    n_empty = int((~has_counts).sum())
    if n_empty > MAX_EMPTY * len(names):
        raise DataError(
            f"more than {MAX_EMPTY:.0%} of the cells have no counts at all", code="D109",
            where=where, found=f"{n_empty:,} of {len(names):,}, e.g. {names[~has_counts][0]}",
            fix="filter the cells: sc.pp.filter_cells(adata, min_counts=1)",
        )  # fmt: skip
    donor = _column(obs, spec.donor_key, "donor_key", where)
    excluded = np.isin(donor, spec.exclude_donors)
    rows = np.flatnonzero(has_counts & ~excluded)
    return KeptCells(
        rows=rows,
        cell=names[rows],
        donor=donor[rows],
        batch=_column(obs, spec.batch_key, "batch_key", where)[rows],
        n_empty=n_empty,
        n_excluded=int((excluded & has_counts).sum()),
    )


def _column(obs: pd.DataFrame, key: str | None, role: str, where: str) -> np.ndarray:
    """Return an obs column (n_cells,) as str; missing values, and a key that is None, give ""."""
    if key is None:
        return np.full(len(obs), "", dtype=object)
    if key not in obs.columns:
        raise DataError(
            f"no obs column {key!r}", code="D140", where=f"{where}, {role}",
            found=f"{len(obs.columns):,} other columns", fix=nearest(key, map(str, obs.columns)),
        )  # fmt: skip
    values = obs[key]
    return np.where(values.isna(), "", values.astype(str)).astype(object)


def _labels(obs: pd.DataFrame, spec: DatasetSpec, donor: np.ndarray, where: str) -> np.ndarray:
    labels = _column(obs, spec.label_key, "label_key", where)
    if spec.label_key is None:
        return labels
    missing = obs[spec.label_key].isna().to_numpy()
    if missing.any() and not spec.nan_is_unlabelled:
        per_donor = pd.Series(donor[missing]).value_counts().head(5)
        raise DataError(
            f"{int(missing.sum()):,} cells have no {spec.label_key}",
            code="D141",
            where=where,
            found=", ".join(f"{d or 'no donor'}: {n:,}" for d, n in per_donor.items()),
            fix="set `nan_is_unlabelled: true` to keep them as unlabelled cells",
        )
    unscored = (*spec.unlabelled, *spec.residual)
    refuse_odd_labels(obs[spec.label_key], key=spec.label_key, where=where, ignored=unscored)
    refuse_labels_of_donors(
        labels=labels, donors=donor, key=spec.label_key, where=where, ignored=unscored
    )
    warn_of_clusters(obs, key=spec.label_key, where=where)
    return labels


def _split(
    spec: DatasetSpec, donor: np.ndarray, label: np.ndarray, where: str
) -> tuple[np.ndarray, str]:
    """Return each cell's split, and the rule in words."""
    if spec.donor_key is None:
        rule = "cells, 60/20/20 % of each label: no donors are held out"
        return split_by_cell(label), rule
    if (donor == "").any() and spec.splits is None:
        raise DataError(
            "cells without a donor cannot be split by donor", code="D152", where=where,
            found=f"{int((donor == '').sum()):,} cells", fix='set `exclude_donors: [""]`',
        )  # fmt: skip
    splits = spec.splits or assign_donors(donor, where=where)
    fixed = (
        "as the data set says" if spec.splits else "the largest to train, test, val, then by share"
    )
    return split_by_donor(donor, splits, where=where), f"whole donors, {fixed}"
