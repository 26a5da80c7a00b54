"""Macro F1 of every confirmed arm and protocol, worked out anew from the predicted label of every test cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sslbench.errors import DataError
from sslbench.leaderboard import statistics
from sslbench.leaderboard.board import Unit
from sslbench.leaderboard.intervals import ArmScores
from sslbench.leaderboard.metric import Measure
from sslbench.leaderboard.predictions import (
    TestCells,
    TestFrames,
    labelled_cells,
    predicted_labels,
)
from sslbench.leaderboard.selection import Confirmed

_TOLERANCE = 1e-4  # scores may have been recorded in single precision


@dataclass(frozen=True, kw_only=True)
class CellTypeScores:
    """Predicted codes (n_seeds, n_cells) of the labelled test cells, by arm and protocol."""

    cells: TestCells
    stacks: Mapping[tuple[str, str], np.ndarray]
    seeds: Mapping[str, tuple[int, ...]]  # of each arm, in the order of its predictions

    @property
    def n_donors(self) -> int:
        """The number of donors with a labelled test cell."""
        return len(self.cells.donors)

    @property
    def unit(self) -> Unit:
        """What intervals are over: donors, or the cells of the only one."""
        return "donors" if self.n_donors > 1 else "cells"

    def of(self, protocols: Mapping[str, str]) -> dict[str, ArmScores]:
        """Return the scores of each arm under its protocol."""
        stacks = [self.stacks[arm, protocol] for arm, protocol in protocols.items()]
        label, donor = self.cells.label, self.cells.donor
        seeds = [self.seeds[arm] for arm in protocols]
        if self.unit == "donors":
            scored = statistics.donor_scores(label, stacks, donor=donor, seeds=seeds)
        else:
            scored = statistics.cell_scores(label, stacks, seeds=seeds)
        return dict(zip(protocols, scored, strict=True))

    @property
    def means(self) -> dict[str, dict[str, float]]:
        """Mean test macro F1 by arm and protocol."""
        found: dict[str, dict[str, float]] = {}
        for (arm, protocol), stack in self.stacks.items():
            found.setdefault(arm, {})[protocol] = self._mean(stack)
        return found

    def _mean(self, stack: np.ndarray) -> float:
        if self.unit == "donors":
            (scored,) = statistics.donor_scores(self.cells.label, [stack], donor=self.cells.donor)
            return scored.mean
        return float(statistics.seed_scores(self.cells.label, stack).mean())


def score_cell_types(
    arms: Sequence[Confirmed], frames: TestFrames, measure: Measure
) -> CellTypeScores:
    """Gather the predictions of the arms, checked against their recorded scores."""
    cells = labelled_cells(frames, [uid for arm in arms for uid in arm.uids])
    stacks = {
        (arm.arm, protocol): _stack(arm, frames, cells=cells, protocol=protocol, measure=measure)
        for arm in arms
        for protocol in arm.validation
    }
    return CellTypeScores(cells=cells, stacks=stacks, seeds={arm.arm: arm.seeds for arm in arms})


def _stack(
    arm: Confirmed, frames: TestFrames, *, cells: TestCells, protocol: str, measure: Measure
) -> np.ndarray:
    column, key = measure.predictions(protocol), measure.key("test", protocol)
    stack = np.array([predicted_labels(frames.predictions[uid], column) for uid in arm.uids])
    given = statistics.seed_scores(cells.label, stack)
    for uid, recorded, score in zip(arm.uids, arm.test_scores(key), given, strict=True):
        if abs(recorded - score) > _TOLERANCE:
            raise DataError(
                f"a confirm trial's {key} is not what its own predictions give",
                code="D064",
                where=f"trial {uid}, arm {arm.arm}",
                found=f"recorded {recorded:.6f}, from the predictions {score:.6f}",
                fix="the record or its predictions were changed or written by another version; --fresh",
            )
    return stack
