"""The leaderboard as a record: what a reader sees, in numbers; every renderer draws from it and computes nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sslbench.leaderboard.intervals import Estimate
from sslbench.leaderboard.metric import RankedMetric
from sslbench.results import Regime

Unit = Literal["cells", "donors", "seeds"]
ClaimOutcome = Literal["holds", "reversed", "undecided", "not judged"]


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
    max_updates: int | None = None  # the most that a trial may train for; None: it uses no gradient

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
    test: Estimate  # in the leaderboard's metric, higher is better
    difference: Estimate | None  # to the reference; None for the reference itself or without one
    is_reference: bool
    validation: float  # mean validation score under `protocol`
    test_by_protocol: Mapping[str, float]  # mean test score of every protocol the arm has
    seeds: tuple[int, ...]
    uids: tuple[str, ...]  # the confirm trials behind the row
    effort: SearchEffort
    recipe: str
    params: Mapping[str, object]  # what the search chose
    n_test_openings: int
    difference_by_donor: Mapping[str, float] = field(
        default_factory=dict
    )  # to the reference, of each test donor that both have a score of; empty unless intervals are over donors
    p: float | None = (
        None  # of the difference; None for the reference's regime, or where nothing is known
    )
    p_holm: float | None = None  # the same, adjusted for all rows that have one
    rank_interval: tuple[int, int] | None = (
        None  # 95 % of its places over resamples; None: unknown, or a control
    )
    tuned: float | None = None  # the objective of the chosen recipe in the search, on validation
    default: float | None = (
        None  # that of the arm's default recipe; None: it has not run to its end
    )
    is_control: bool = False  # part of the scale that the others are read on, and no rival
    made_with: Mapping[str, str] = field(default_factory=dict)  # data, code and versions of tasks

    @property
    def kind(self) -> str:
        """What a reader sees in the column of regimes."""
        return "control" if self.is_control else self.regime


@dataclass(frozen=True, kw_only=True)
class StaleRow:
    """Trials of one arm that other data or another version of a task made: shown, never ranked or compared."""

    arm: str
    method: str
    protocol: str  # of the arm's objective
    test: float | None  # mean recorded score under it; None: never confirmed
    n_seeds: int
    reason: str  # which version differs, and what it is now
    refresh: str  # the command; "" where the arm has a row of the present versions too
    made_with: Mapping[str, str]
    recipe: str
    uids: tuple[str, ...]  # of search and confirm trials alike


@dataclass(frozen=True, kw_only=True)
class ExternalRow:
    """An embedding that was made elsewhere, scored on the same cells: no rank, no reference, no part in the verdict."""

    name: str
    obsm: str
    saw_dataset: str  # "yes", "no" or "unknown": whether it was trained on these cells
    protocol: str
    test: Estimate
    difference: Estimate | None  # to the reference; None without one
    validation: float
    test_by_protocol: Mapping[str, float]
    made_with: Mapping[str, str]

    @property
    def method(self) -> str:
        """The name of the row."""
        return f"{self.name}/{self.obsm}"


@dataclass(frozen=True, kw_only=True)
class FailureGroup:
    """Trials that failed alike."""

    arm: str
    stage: str
    kind: str
    message: str  # the first line
    n_trials: int


@dataclass(frozen=True, kw_only=True)
class ArmAtShare:
    """One arm at one share of the labels, by the protocol that the validation labels left there prefer."""

    arm: str
    method: str
    regime: Regime
    protocol: str
    validation: float
    test: Estimate


@dataclass(frozen=True, kw_only=True)
class SharePoint:
    """All arms at one share of the labels, and what pretraining gains there."""

    fraction: float
    n_labels: int | None  # of training cells; None: not counted
    arms: tuple[ArmAtShare, ...]  # in the order of the sweep
    ssl: str | None  # the SSL arm that is best by validation there
    supervised: str | None  # the supervised one
    gain: Estimate | None  # test score of the one minus that of the other; None without both

    def arm(self, name: str | None) -> ArmAtShare | None:
        """Return what is known of an arm here, or None."""
        return next((at for at in self.arms if at.arm == name), None)


@dataclass(frozen=True, kw_only=True)
class LabelCurve:
    """Test scores against the share of the labels that is paid for."""

    points: tuple[SharePoint, ...]  # fewest labels first, the sweep's own share last
    break_even: (
        float | None
    )  # the smallest share at which SSL is not separably ahead; None: ahead at all
    sentence: str  # the same in words
    stamp: str  # at which share recipes were tuned
    holes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class JudgedPart:
    """One comparison of a published claim, as these cells see it."""

    says: str
    better: str  # the side that the claim has ahead: arm and protocol
    than: str
    outcome: ClaimOutcome
    difference: Estimate | None = None  # paired, better − than; None: not judged
    why: str = ""  # it was not judged


@dataclass(frozen=True, kw_only=True)
class JudgedClaim:
    """A published claim and what became of it here."""

    text: str
    source: str
    parts: tuple[JudgedPart, ...]
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """The ranking of one sweep on one data set, and everything that limits what it says."""

    rows: tuple[Row, ...]
    metric: RankedMetric
    verdict: str
    unit: Unit  # what the intervals resample
    stamp: str  # how far the intervals reach
    reference: str | None  # the baseline that is best by validation
    baseline: str  # what baselines it is the best of: "supervised", or "label-free" where labels are not to be learnt
    protocols: tuple[str, ...]  # the same-protocol columns
    notes: tuple[str, ...] = ()
    holes: tuple[str, ...] = ()
    failures: tuple[FailureGroup, ...] = field(default=())
    label_curve: LabelCurve | None = (
        None  # None: no further share was asked for, or nothing could be scored
    )
    claim: JudgedClaim | None = None  # of a sweep that re-examines one

    stale: tuple[StaleRow, ...] = ()
    external: tuple[ExternalRow, ...] = ()  # best first

    @property
    def on_axis(self) -> tuple[Row, ...]:
        """The rows that an axis of scores is drawn for: others are controls so far below that no interval could be read."""
        shown = [row for row in self.rows if not row.is_control or row.regime == "untrained"]
        lowest = min((row.test.mean for row in shown), default=-math.inf)
        return tuple(row for row in self.rows if row in shown or row.test.mean >= lowest)

    @property
    def stale_uids(self) -> frozenset[str]:
        """The trials that nothing here may be compared with."""
        return frozenset(uid for row in self.stale for uid in row.uids)

    def row(self, arm: str) -> Row | None:
        """Return the row of `arm`, or None if it has none."""
        return next((row for row in self.rows if row.arm == arm), None)
