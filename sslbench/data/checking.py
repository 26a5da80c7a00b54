"""Can these cells be used, and what will not be known from them? The facts of `sslbench data check`; nothing is changed."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from sslbench.data.catalogue import DatasetSpec
from sslbench.data.counts import ChosenSlot, choose_slot
from sslbench.data.known_genes import GeneNames, describe_genes
from sslbench.data.leaks import LeakCheck
from sslbench.data.obs import CellTable, read_cell_table
from sslbench.data.opening import CellsFile, open_cells_files
from sslbench.data.store_building import passed_leak_checks, surveyed
from sslbench.errors import DataError

Light = Literal["green", "yellow", "red"]
NO_LABEL = "(no label)"
# What demultiplexing and labelling tools write where they found no one person.
NO_PERSON = {
    "ambiguous",
    "doublet",
    "multiplet",
    "nan",
    "negative",
    "none",
    "singlet",
    "unassigned",
}
# What labelling tools and people write for cells that are of no one type.
REST_CLASS = re.compile(
    r"doublet|multiplet|low.quality|unassigned|ambiguous|unclassified|^(other|debris)s?$",
    re.IGNORECASE,
)
NO_PERSON |= {f"{name}s" for name in NO_PERSON} | {"na", "unknown", ""}


@dataclass(frozen=True, kw_only=True)
class FirstLook:
    """What is seen before the counts are read."""

    chosen: ChosenSlot
    kind: str  # of the slot
    n_cells: int
    n_genes: int
    genes: GeneNames
    n_missing_labels: int
    classes: (
        pd.DataFrame | None
    )  # cells by label (rows) and donor (columns); None without these columns


@dataclass(frozen=True, kw_only=True)
class WholeLook:
    """What all counts, labels and donors say together."""

    n_non_zeros: int
    table: CellTable
    checks: tuple[LeakCheck, ...]
    n_copies: int  # cells whose exact profile another donor has too

    @property
    def donors(self) -> dict[str, tuple[str, ...]]:
        """The donors of each split; empty tuples where cells are split."""
        return {split: self.table.donors_of(split) for split in ("train", "val", "test")}


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The cells of a file as a sweep would see them; `whole` or `problem`, never both."""

    spec: DatasetSpec  # with what had to be declared
    first: FirstLook
    whole: WholeLook | None
    problem: DataError | None
    reasons: tuple[str, ...]  # why not green

    @property
    def light(self) -> Light:
        """Red cannot be used as it is, yellow says less than it could, green is fine."""
        if self.problem is not None:
            return "red"
        return "yellow" if self.reasons else "green"


def check_cells(spec: DatasetSpec) -> Checked:
    """Look at the cells of `spec` as a sweep would; the first thing that a sweep would refuse is `problem`.

    Cells whose label is missing are declared as unlabelled, which is said in `reasons`.

    Raises
    ------
    DataError
        If the file is no file of cells, or holds nothing that could be counts.
    """
    with _warnings() as warned, open_cells_files(spec.files, counts=spec.counts) as file:
        first = _first_look(spec, file)
        if first.n_missing_labels:
            spec = spec.model_copy(update={"nan_is_unlabelled": True})
        try:
            whole = _whole_look(spec, file)
        except DataError as error:
            return Checked(spec=spec, first=first, whole=None, problem=error, reasons=())
    reasons = (*_of_split(whole), *_of_labels(first, whole), *_of_cells(first, whole), *warned)
    return Checked(spec=spec, first=first, whole=whole, problem=None, reasons=reasons)


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Collect what the data room warns of while it looks, the file's name before each taken away."""
    collected = _Collected(logging.WARNING)
    log = logging.getLogger("sslbench.data")
    log.addHandler(collected)
    try:
        yield collected.texts
    finally:
        log.removeHandler(collected)


class _Collected(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        where, _, text = record.getMessage().partition(": ")
        self.texts.append(text or where)


def _first_look(spec: DatasetSpec, file: CellsFile) -> FirstLook:
    chosen = choose_slot(file, spec.counts)
    n_cells, n_genes = file.shape(chosen.slot)
    obs = file.obs()
    labelled = spec.label_key in obs.columns
    return FirstLook(
        chosen=chosen,
        kind=file.kind(chosen.slot),
        n_cells=n_cells,
        n_genes=n_genes,
        genes=describe_genes(file.var(chosen.slot)),
        n_missing_labels=int(obs[spec.label_key].isna().sum()) if labelled else 0,
        classes=_classes(spec, obs),
    )


def _classes(spec: DatasetSpec, obs: pd.DataFrame) -> pd.DataFrame | None:
    """Return the cells of each label (rows) and donor (columns), the largest first."""
    keys = [key for key in (spec.label_key, spec.donor_key) if key is not None]
    if not set(keys) <= set(obs.columns):
        return None
    label = obs[spec.label_key].astype(object).where(obs[spec.label_key].notna(), NO_LABEL)
    donor = pd.Series("all cells", index=obs.index)
    if spec.donor_key is not None:
        donor = obs[spec.donor_key].astype(object).where(obs[spec.donor_key].notna(), "")
    table = pd.crosstab(label.astype(str).to_numpy(), donor.astype(str).to_numpy())
    by_size = table.sum(axis=1).sort_values(ascending=False, kind="stable").index
    donors = table.sum(axis=0).sort_values(ascending=False, kind="stable").index
    return table.loc[by_size, donors]


def _whole_look(spec: DatasetSpec, file: CellsFile) -> WholeLook:
    survey = surveyed(spec, file).survey
    table = read_cell_table(spec, file.obs(), has_counts=survey.n_non_zeros > 0)
    profile = survey.profile[table.rows]
    return WholeLook(
        n_non_zeros=int(survey.n_non_zeros.sum()),
        table=table,
        checks=tuple(passed_leak_checks(table, profile, spec)),
        n_copies=copies_across_donors(profile, donor=table.donor),
    )


def copies_across_donors(profile: np.ndarray, *, donor: np.ndarray) -> int:
    """Return how many cells have the exact profile of a cell of another donor; both arrays are (n_cells,).

    `profile` are the hashes of `profile_hashes`; 0, too sparse to compare, never counts. Without donors every
    cell that has a copy counts.
    """
    compared = np.flatnonzero(profile != 0)
    pairs = pd.DataFrame({"profile": profile[compared], "donor": donor[compared]})
    distinct = pairs.drop_duplicates() if (donor != "").any() else pairs
    shared = distinct["profile"][distinct["profile"].duplicated()].unique()
    return int(pairs["profile"].isin(shared).sum())


def _of_split(whole: WholeLook) -> list[str]:
    n_test = len(whole.donors["test"])
    if not n_test:
        return ["cells are split, not donors: nothing is said about other donors"]
    reasons = ["one test donor: intervals say nothing about other donors"] if n_test == 1 else []
    odd = [d for donors in whole.donors.values() for d in donors if d.lower() in NO_PERSON]
    return reasons + [
        f"donor {donor!r} sounds like none ({(whole.table.donor == donor).sum():,} cells): if so, take it out "
        f"of `splits` and add `exclude_donors: [{donor}]`"
        for donor in odd
    ]


def _of_labels(first: FirstLook, whole: WholeLook) -> list[str]:
    reasons, excluded = [], whole.table.labels.excluded
    if excluded:
        reasons.append(
            f"not scored: {'; '.join(f'{name}, {why}' for name, why in excluded.items())}"
        )
    rest = [name for name in whole.table.labels.names if REST_CLASS.search(name)]
    if rest:
        reasons.append(
            f"scored, but they sound like rest classes: {', '.join(rest)}; if so, add "
            f"`residual: [{', '.join(rest)}]`"
        )
    if first.n_missing_labels:
        reasons.append(
            f"{first.n_missing_labels:,} of {first.n_cells:,} cells have no label: they are declared as "
            "unlabelled (nan_is_unlabelled: true)"
        )
    return reasons


def _of_cells(first: FirstLook, whole: WholeLook) -> list[str]:
    reasons = []
    if whole.n_copies:
        reasons.append(f"{whole.n_copies:,} cells have an exact copy in another donor")
    if whole.table.n_empty:
        reasons.append(f"{whole.table.n_empty:,} cells have no counts and are left out")
    if not first.genes.recognised:
        better = first.genes.better_column
        reasons.append(
            "bundled gene programmes name human symbols, and few of these genes are among them"
            + (f"; var[{better!r}] holds more" if better else "")
        )
    return reasons
