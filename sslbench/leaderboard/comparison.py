"""The confirmed arms scored on the same test cells: one estimate an arm, one paired estimate a pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sslbench.errors import DataError
from sslbench.leaderboard import statistics
from sslbench.leaderboard.board import Unit
from sslbench.leaderboard.facts import RANKED_METRIC
from sslbench.leaderboard.predictions import TestCells, predicted_labels, shared_cells
from sslbench.leaderboard.selection import Confirmed
from sslbench.leaderboard.statistics import ArmScores, Estimate
from sslbench.results import MetricKey, TrialRecord

_TOLERANCE = 1e-4  # scores may have been recorded in single precision


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Arms under their chosen protocols, on the same cells."""

    unit: Unit
    cells: TestCells
    scores: Mapping[str, ArmScores]  # arm → scores under its protocol
    by_protocol: Mapping[str, Mapping[str, float]]  # arm → protocol → mean test macro F1

    def estimate(self, arm: str) -> Estimate:
        """Return the arm's mean test macro F1 with its interval; it depends on no other arm."""
        by_unit = {"cells": statistics.cell_interval, "donors": statistics.donor_interval}
        return by_unit[self.unit](self.scores[arm])

    def difference(self, arm: str, other: str) -> Estimate:
        """Return arm − other with its paired interval."""
        by_unit = {"cells": statistics.cell_difference, "donors": statistics.donor_difference}
        return by_unit[self.unit](self.scores[arm], self.scores[other])


def compare(
    arms: Sequence[Confirmed],
    predictions: Mapping[str, pd.DataFrame],
    *,
    protocols: Mapping[str, str],
) -> Comparison:
    """Score each arm by its protocol and by all others it has; `protocols` names each arm's own."""
    cells = shared_cells(predictions, [r.uid for arm in arms for r in arm.records])
    unit: Unit = "donors" if len(cells.donors) > 1 else "cells"
    pairs = [(arm, protocol) for arm in arms for protocol in arm.validation]
    stacks = {
        (arm.arm, protocol): _stack(arm, predictions, cells=cells, protocol=protocol)
        for arm, protocol in pairs
    }
    own = [stacks[arm.arm, protocols[arm.arm]] for arm in arms]
    return Comparison(
        unit=unit,
        cells=cells,
        scores=dict(zip([a.arm for a in arms], _score(own, cells, unit=unit), strict=True)),
        by_protocol={
            arm.arm: {
                protocol: _mean(stacks[arm.arm, protocol], cells, unit=unit)
                for protocol in arm.validation
            }
            for arm in arms
        },
    )


def _score(stacks: Sequence[np.ndarray], cells: TestCells, *, unit: Unit) -> list[ArmScores]:
    if unit == "donors":
        return statistics.donor_scores(cells.label, stacks, donor=cells.donor)
    return statistics.cell_scores(cells.label, stacks)


def _mean(stack: np.ndarray, cells: TestCells, *, unit: Unit) -> float:
    if unit == "donors":
        return statistics.donor_scores(cells.label, [stack], donor=cells.donor)[0].mean
    return float(statistics.seed_scores(cells.label, stack).mean())


def _stack(
    arm: Confirmed, predictions: Mapping[str, pd.DataFrame], *, cells: TestCells, protocol: str
) -> np.ndarray:
    """Return the predicted codes (n_seeds, n_cells) of an arm, checked against its recorded scores."""
    stack = np.array([predicted_labels(predictions[r.uid], protocol=protocol) for r in arm.records])
    for record, score in zip(arm.records, statistics.seed_scores(cells.label, stack), strict=True):
        _refuse_other_score(record, float(score), protocol=protocol)
    return stack


def _refuse_other_score(record: TrialRecord, score: float, *, protocol: str) -> None:
    key = str(MetricKey("test", protocol, RANKED_METRIC))
    assert record.result is not None
    recorded = record.result.scores[key]
    if abs(recorded - score) > _TOLERANCE:
        raise DataError(
            f"a confirm trial's {key} is not what its own predictions give",
            code="D064",
            where=f"trial {record.uid}, arm {record.arm}",
            found=f"recorded {recorded:.6f}, from the predictions {score:.6f}",
            fix="the record or its predictions were changed or written by another version; --fresh",
        )
