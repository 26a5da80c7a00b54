"""The leaderboard as a record: what a reader sees, in numbers; every renderer draws from it and computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sslbench.leaderboard.statistics import Estimate
from sslbench.results import Regime

Unit = Literal["cells", "donors"]


@dataclass(frozen=True, kw_only=True)
class SearchEffort:
    """What an arm spent on finding its recipe."""

    n_finished: int
    n_stopped: int
    n_collapsed: int  # embeddings that lost the differences between cells: no score, no failure
    n_failed: int  # in any other way
    seconds: float  # wall time of all its search trials
    n_planned: int  # min(budget, size of the space)
    exhausted: bool  # the whole space is smaller than the budget

    @property
    def n_trials(self) -> int:
        """Every search trial that ended, however it ended."""
        return self.n_finished + self.n_stopped + self.n_collapsed + self.n_failed

    @property
    def short_of_plan(self) -> bool:
        """Whether the arm was searched less than planned, so that the comparison is unfair to it."""
        return self.n_trials < self.n_planned


@dataclass(frozen=True, kw_only=True)
class Row:
    """One arm: its chosen recipe on fresh seeds, by the protocol that validation chose."""

    rank: int
    arm: str
    method: str
    regime: Regime
    protocol: str
    chosen_by: str  # the protocol of the objective that chose the recipe
    test: Estimate  # macro F1, in [0, 1], higher is better
    difference: Estimate | None  # to the reference; None for the reference itself or without one
    is_reference: bool
    validation: float  # mean validation macro F1 under `protocol`
    test_by_protocol: Mapping[str, float]  # mean test macro F1 of every protocol the arm has
    seeds: tuple[int, ...]
    uids: tuple[str, ...]  # the confirm trials behind the row
    effort: SearchEffort
    recipe: str
    params: Mapping[str, object]  # what the search chose
    n_test_openings: int


@dataclass(frozen=True, kw_only=True)
class FailureGroup:
    """Trials that failed alike."""

    arm: str
    stage: str
    kind: str
    message: str  # the first line
    n_trials: int


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """The ranking of one sweep on one data set, and everything that limits what it says."""

    rows: tuple[Row, ...]
    verdict: str
    unit: Unit  # what the intervals resample
    stamp: str  # how far the intervals reach
    reference: str | None  # the supervised arm that is best by validation
    protocols: tuple[str, ...]  # the same-protocol columns
    notes: tuple[str, ...] = ()
    holes: tuple[str, ...] = ()
    failures: tuple[FailureGroup, ...] = field(default=())

    def row(self, arm: str) -> Row | None:
        """Return the row of `arm`, or None if it has none."""
        return next((row for row in self.rows if row.arm == arm), None)
