"""The test cells as every confirm trial saw them: one truth, one donor column, one row order; and what it made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from sslbench.errors import DataError
from sslbench.leaderboard.board import Unit

_KINDS: tuple[Unit, ...] = ("donors", "cells")


@dataclass(frozen=True, kw_only=True)
class TestFrames:
    """What confirm trials left of the test cells, by uid of the trial."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    predictions: Mapping[str, pd.DataFrame]  # row_id, donor, label, predicted codes
    units: Mapping[str, pd.DataFrame] = field(
        default_factory=dict
    )  # `donors/<task>` or `cells/<task>`: its ranking score of each test donor, or of each resample of one donor's cells


@dataclass(frozen=True, kw_only=True)
class TestCells:
    """The test cells that are compared on, in the order of their rows in the cell store."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    row_id: np.ndarray  # (n_cells,) int64
    label: np.ndarray  # (n_cells,) int64 codes, -1 unlabelled
    donor: np.ndarray  # (n_cells,) str, "" where the data set names no donors

    @property
    def donors(self) -> tuple[str, ...]:
        """The donors of the cells, sorted; empty where cells have none."""
        return tuple(sorted({str(name) for name in self.donor} - {""}))

    def support(self, *, n_labels: int) -> np.ndarray:
        """Return the number of test cells of each label (n_labels,)."""
        return np.bincount(self.label, minlength=n_labels)


def labelled_cells(frames: TestFrames, uids: Iterable[str]) -> TestCells:
    """Return the labelled test cells that all these trials were scored on.

    Raises
    ------
    DataError
        What `shared_cells` raises, or if no cell has a label: then no macro F1 means anything.
    """
    cells = shared_cells(frames, uids)
    kept = cells.label >= 0
    if not kept.any():
        raise DataError(
            "no test cell has a label of the fixed label set, so there is nothing to rank by",
            code="D060",
            fix="check label_key and the split with `sslbench data check`",
        )
    return TestCells(row_id=cells.row_id[kept], label=cells.label[kept], donor=cells.donor[kept])


def shared_cells(frames: TestFrames, uids: Iterable[str]) -> TestCells:
    """Return the test cells that all these trials were scored on, labelled or not.

    Raises
    ------
    DataError
        If two trials were scored on different cells, labels or donors: then no difference between them means
        anything.
    """
    ordered = {uid: _sorted(frames.predictions[uid], uid) for uid in uids}
    first_uid, first = next(iter(ordered.items()))
    for uid, frame in ordered.items():
        _refuse_other_cells(first, frame, uids=(first_uid, uid))
    return TestCells(
        row_id=first["row_id"].to_numpy(np.int64),
        label=first["label"].to_numpy(np.int64),
        donor=first["donor"].astype(str).to_numpy(dtype=object),
    )


def predicted_labels(frame: pd.DataFrame, column: str) -> np.ndarray:
    """Return the predicted codes (n_cells,) of the labelled cells, in the order of `labelled_cells`."""
    order = frame["row_id"].to_numpy().argsort()
    kept = order[frame["label"].to_numpy()[order] >= 0]
    return np.asarray(frame[column].to_numpy(np.int64)[kept])


class UnitScores(NamedTuple):
    """Scores of single donors, or of resampled cells."""

    values: np.ndarray  # (n_trials, n_units), NaN where a unit has none
    kind: Unit | None  # None: written before files said what their units are


def unit_scores(frames: TestFrames, uids: Sequence[str], task: str | None) -> UnitScores | None:
    """Return the scores of a task in trials; None if one trial has none, or if their units are not the same.

    Where a trial's tasks have different numbers of units, the shorter columns end in NaN; those are cut off.
    """
    tables = [frames.units[uid] for uid in uids if uid in frames.units]
    columns = [found for t in tables if (found := _column(t, task)) is not None]
    values = [scores[: 1 + _last_finite(scores)] for _, scores in columns]
    kinds = {kind for kind, _ in columns} - {None}
    if len(values) < len(uids) or len({len(scores) for scores in values}) > 1 or len(kinds) > 1:
        return None
    return UnitScores(np.array(values), next(iter(kinds), None))


def _column(table: pd.DataFrame, task: str | None) -> tuple[Unit | None, np.ndarray] | None:
    for kind in _KINDS:
        if f"{kind}/{task}" in table.columns:
            return kind, table[f"{kind}/{task}"].to_numpy(float)
    return (None, table[task].to_numpy(float)) if task in table.columns else None


def _last_finite(values: np.ndarray) -> int:
    return int(np.flatnonzero(np.isfinite(values)).max(initial=-1))


def _sorted(frame: pd.DataFrame, uid: str) -> pd.DataFrame:
    if (np.diff(frame["row_id"].to_numpy()) > 0).all():  # as trials leave them
        return frame
    if frame["row_id"].duplicated().any():
        raise DataError(f"the predictions of trial {uid} hold a cell twice", code="D061")
    return frame.sort_values("row_id")


def _refuse_other_cells(first: pd.DataFrame, other: pd.DataFrame, *, uids: tuple[str, str]) -> None:
    same = all(
        np.array_equal(first[column].to_numpy(), other[column].to_numpy())
        for column in ("row_id", "label", "donor")
    )
    if not same:
        raise DataError(
            "two confirm trials were scored on different test cells and cannot be compared",
            code="D062",
            found=f"trials {uids[0]} ({len(first)} cells) and {uids[1]} ({len(other)} cells)",
            fix="confirm every arm on the same version of the data set (--fresh)",
        )
