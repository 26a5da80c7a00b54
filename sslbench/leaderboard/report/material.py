"""Everything a section of the report may draw from, gathered once."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from sslbench.leaderboard.board import Leaderboard, Row
from sslbench.leaderboard.facts import SweepFacts
from sslbench.leaderboard.importance import ArmImportance
from sslbench.leaderboard.predictions import (
    TestCells,
    TestFrames,
    labelled_cells,
    predicted_labels,
)
from sslbench.leaderboard.report.style import series_class
from sslbench.results import TrialRecord

MAX_PANELLED = 16  # arms with a panel of their own: more are neither looked at nor sent around


@dataclass(frozen=True, kw_only=True)
class Material:
    """The leaderboard beside the records and predictions it was made of."""

    board: Leaderboard
    records: Sequence[TrialRecord]
    predictions: Mapping[str, pd.DataFrame]
    facts: SweepFacts
    maps: Mapping[str, pd.DataFrame] = field(
        default_factory=dict
    )  # by uid: row_id, batch and the place x, y of some test cells
    importance: Sequence[ArmImportance] = ()

    @property
    def arms(self) -> tuple[str, ...]:
        """Every arm in the order of the sweep file: the order of the panels and of the colours."""
        planned = [arm.name for arm in self.facts.arms if arm.name not in self.facts.copies]
        return (*planned, *sorted({r.arm for r in self.records} - set(planned)))

    @property
    def panelled(self) -> tuple[str, ...]:
        """The arms that get a panel of their own, in the order of all: of many only the first rows."""
        if len(self.arms) <= MAX_PANELLED:
            return self.arms
        first = {row.arm for row in self.board.rows[:MAX_PANELLED]}
        return tuple(arm for arm in self.arms if arm in first)

    @property
    def without_panel(self) -> str:
        """The sentence, as markup, that says which arms have no panel; empty where all have one."""
        left_out = [arm for arm in self.arms if arm not in self.panelled]
        if not left_out:
            return ""
        names = html.escape(", ".join(left_out))
        return f" Drawn are the first {MAX_PANELLED} rows of the leaderboard; not drawn: {names}."

    def colour(self, arm: str) -> str:
        """Return the class that colours an arm, the same in every figure."""
        return series_class(self.arms.index(arm))

    def of(self, arm: str, stage: str) -> list[TrialRecord]:
        """Return the trials of one arm and stage, earliest ended first."""
        found = [r for r in self.records if r.arm == arm and r.stage == stage]
        return sorted(found, key=lambda r: (r.ended_unix_ms, r.uid))

    def record(self, uid: str) -> TrialRecord:
        """Return the trial of this uid."""
        return next(record for record in self.records if record.uid == uid)

    @property
    def made_with(self) -> Mapping[str, str]:
        """The versions that the confirm trials of the rows were run with; of several the last one's."""
        uids = {uid for row in self.board.rows for uid in row.uids}
        found = [record.provenance for record in self.records if record.uid in uids]
        return found[-1] if found else {}

    def objective(self, arm: str) -> str:
        """Return the validation score that the search of this arm maximised."""
        return next((r.objective for r in self.records if r.arm == arm), self.facts.objective)

    @cached_property
    def cells(self) -> TestCells:
        """The labelled test cells of the rows."""
        frames = TestFrames(predictions=self.predictions)
        return labelled_cells(frames, [uid for row in self.board.rows for uid in row.uids])

    def predicted(self, row: Row) -> np.ndarray:
        """Return the codes (n_seeds, n_cells) that the row's trials predicted under its protocol."""
        frames, column = [self.predictions[u] for u in row.uids], f"predicted/{row.protocol}"
        return np.array([predicted_labels(frame, column) for frame in frames])

    def label(self, code: int) -> str:
        """Return the name of a label, or its code where the facts name none."""
        names = self.facts.label_names
        return names[code] if 0 <= code < len(names) else f"label {code}"
