"""The test cells as every confirm trial saw them: one truth, one donor column, one row order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sslbench.errors import DataError

PREFIX = "predicted/"


@dataclass(frozen=True, kw_only=True)
class TestCells:
    """The labelled test cells of a sweep, in the order of their rows in the cell store."""

    __test__ = False  # not a test class, whatever pytest thinks of the name

    row_id: np.ndarray  # (n_cells,) int64
    label: np.ndarray  # (n_cells,) int64 codes, none of them -1
    donor: np.ndarray  # (n_cells,) str, "" where the data set names no donors

    @property
    def donors(self) -> tuple[str, ...]:
        """The donors with a labelled test cell, sorted; empty where cells have none."""
        return tuple(sorted({str(name) for name in self.donor} - {""}))

    def support(self, *, n_labels: int) -> np.ndarray:
        """Return the number of test cells of each label (n_labels,)."""
        return np.bincount(self.label, minlength=n_labels)


def protocols_of(frame: pd.DataFrame) -> tuple[str, ...]:
    """Return the protocols whose predicted labels a frame holds, sorted."""
    return tuple(sorted(c.removeprefix(PREFIX) for c in frame.columns if c.startswith(PREFIX)))


def shared_cells(predictions: Mapping[str, pd.DataFrame], uids: Iterable[str]) -> TestCells:
    """Return the labelled test cells that all these trials were scored on.

    Raises
    ------
    DataError
        If two trials were scored on different cells, labels or donors, or if no cell has a label: then no
        difference between them means anything.
    """
    frames = {uid: _sorted(predictions[uid], uid) for uid in uids}
    first_uid, first = next(iter(frames.items()))
    for uid, frame in frames.items():
        _refuse_other_cells(first, frame, uids=(first_uid, uid))
    cells = TestCells(
        row_id=first["row_id"].to_numpy(np.int64),
        label=first["label"].to_numpy(np.int64),
        donor=first["donor"].astype(str).to_numpy(dtype=object),
    )
    if len(cells.label) == 0:
        raise DataError(
            "no test cell has a label of the fixed label set, so there is nothing to rank by",
            code="D060",
            fix="check label_key and the split with `sslbench data check`",
        )
    return cells


def predicted_labels(frame: pd.DataFrame, *, protocol: str) -> np.ndarray:
    """Return the predicted codes (n_cells,) of the labelled cells, in the order of `TestCells`."""
    return np.asarray(_sorted(frame, "")[PREFIX + protocol].to_numpy(np.int64))


def _sorted(frame: pd.DataFrame, uid: str) -> pd.DataFrame:
    if frame["row_id"].duplicated().any():
        raise DataError(f"the predictions of trial {uid} hold a cell twice", code="D061")
    return frame[frame["label"] >= 0].sort_values("row_id")


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
