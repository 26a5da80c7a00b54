"""The test cells as every confirm trial saw them: one truth, one donor column, one row order; and what it made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from sslbench.errors import DataError


@dataclass(frozen=True, kw_only=True)
class TestFrames:
    """What confirm trials left of the test cells, by uid of the trial."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    predictions: Mapping[str, pd.DataFrame]  # row_id, donor, label, predicted codes
    units: Mapping[str, pd.DataFrame] = field(
        default_factory=dict
    )  # a column a task: its ranking score of each test donor, or of each resample of one donor's cells


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
    ordered = _sorted(frame, "")
    return np.asarray(ordered[column].to_numpy(np.int64)[ordered["label"].to_numpy() >= 0])


def unit_scores(frames: TestFrames, uids: Sequence[str], column: str | None) -> np.ndarray | None:
    """Return the scores (n_trials, n_units) of trials, NaN where a unit has none; None if one trial has no column.

    Where a trial's tasks have different numbers of units, the shorter columns end in NaN; those are cut off.
    """
    tables = [frames.units.get(uid) for uid in uids]
    columns = [t[column].to_numpy(float) for t in tables if t is not None and column in t.columns]
    found = [values[: 1 + _last_finite(values)] for values in columns]
    if len(found) < len(uids) or len({len(values) for values in found}) > 1:
        return None
    return np.array(found)


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
