"""What a trial leaves behind: the grammar of metric keys and the record of one finished, stopped or failed trial."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from sslbench.errors import ConfigError

Direction = Literal["max", "min"]
Regime = Literal["self-supervised", "supervised", "unsupervised", "untrained"]
Stage = Literal["search", "confirm"]
Outcome = Literal["finished", "stopped", "failed"]
FailureKind = Literal["diverged", "collapsed", "oom", "killed", "stalled", "error"]

RECORD_SCHEMA = 2  # 2: records and plans carry the SHA-256 of their own text
MACRO_F1 = (
    "macro_f1"  # the one metric that every task of cell types has, and that means the same in all
)
PROJECTED = "_projector"  # ends a task's name in metric keys where it scores the projector's output
_KEY = re.compile(r"(train|val|test)/([a-z0-9_]+)/([a-z0-9_]+)")


class MetricKey(NamedTuple):
    """`split/task/metric`, e.g. `val/knn/macro_f1`: the only spelling of a score's name."""

    split: str
    task: str
    metric: str

    @classmethod
    def parse(cls, text: str) -> MetricKey:
        """Split a key into its parts; raise ConfigError if it is not `split/task/metric`."""
        match = _KEY.fullmatch(text)
        if match is None:
            raise ConfigError(
                f"a metric is written split/task/metric, got {text!r}",
                code="C020",
                fix="for example val/knn/macro_f1",
            )
        return cls(*match.groups())

    def __str__(self) -> str:
        return "/".join(self)

    @property
    def evaluation(self) -> str:
        """The registered name of the evaluation task: `knn` of `knn_projector`."""
        return self.task.removesuffix(PROJECTED)

    @property
    def of_projector(self) -> bool:
        """Whether the score is of the projector's output, which is not what a pulled model gives."""
        return is_of_projector(self.task)


def is_of_projector(task: str) -> bool:
    """Say whether a task's name in metric keys stands for scores of the projector's output."""
    return task.endswith(PROJECTED)


def scored_task(name: str, *, of: str = "encoder") -> str:
    """Return an evaluation task's name in metric keys: `knn`, or `knn_projector` of the projector's output."""
    return name + (PROJECTED if of == "projector" else "")


def suffix_at(fraction: float) -> str:
    """Return what the names of scores at a further fraction end in: `_at_5` for 0.05."""
    return f"_at_{round(100 * fraction)}"


class CurvePoint(BaseModel):
    """What one report saw, after `updates` updates."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    updates: int
    seconds: float
    unix_ms: int
    values: dict[str, float] = Field(
        description="metric keys, `train/pretext/…` losses and `train/embedding/…`"
    )


class KeptEncoder(BaseModel):
    """Which weights were scored: trials and label points of one fingerprint were scored on one encoder."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    pretraining: int = Field(description="which of the trial's pretrainings, from 0")
    updates: int = Field(description="updates after which the weights were taken")
    weights: str = Field(description="first 16 hex digits of the SHA-256 of the encoder's weights")


class TrialResult(BaseModel):
    """What `run_trial` returns: finite scores only."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    scores: dict[str, float]
    best_updates: int = Field(description="updates after which the kept weights were taken")
    updates: int
    seconds: float
    curve: tuple[CurvePoint, ...]
    n_parameters: int
    regime: Regime
    encoders: dict[str, KeptEncoder] = Field(
        {}, description="what was scored at each fraction of labels"
    )
    holes: dict[str, str] = Field(
        {}, description="tasks that too few labels of a further fraction do not allow, and why"
    )


class Failure(BaseModel):
    """Why a trial has no scores."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: FailureKind
    message: str
    traceback: str = ""


class TrialRecord(BaseModel):
    """The whole truth about one trial: `result.json` in the ledger, written last and atomically."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    schema_version: int = RECORD_SCHEMA
    uid: str
    arm: str
    stage: Stage
    attempt: int
    outcome: Outcome
    params: dict[str, Any] = Field(description="what the search chose, by `part/option`")
    config: dict[str, Any] = Field(description="the whole TrialConfig as JSON")
    recipe: str
    dataset: str
    data_fingerprint: str
    objective: str
    objective_value: float | None = Field(
        description="best value of the objective; None if there was no report"
    )
    result: TrialResult | None = None
    failure: Failure | None = None
    curve: tuple[CurvePoint, ...] = Field(
        (), description="the reports of a stopped or failed trial; a finished one has result.curve"
    )
    provenance: dict[str, str] = Field(description="versions, commit, dirty flag")
    metric_versions: dict[str, str] = Field(
        {},
        description="evaluation task → the version it was scored by; what is not named is unknown",
    )
    started_unix_ms: int
    ended_unix_ms: int
    files: dict[str, str] = Field({}, description="name → SHA-256 of the files beside this record")

    @property
    def collapsed(self) -> bool:
        """Whether it ended because its embedding lost the differences between cells: a finding, not a fault."""
        return self.failure is not None and self.failure.kind == "collapsed"

    @property
    def score(self) -> float | None:
        """The objective by which the trial is judged: None if it failed, whatever it had reported before."""
        return None if self.outcome == "failed" else self.objective_value

    @property
    def reports(self) -> tuple[CurvePoint, ...]:
        """Every report of the trial, however it ended."""
        return self.result.curve if self.result is not None else self.curve

    def best_by(self, updates: int) -> float | None:
        """Return the best objective up to the first report at or after `updates`: what halving saw at that rung.

        A trial that ended before keeps what it had. None if it failed or has no such report.
        """
        if self.outcome == "failed":
            return None
        known = [point for point in self.reports if self.objective in point.values]
        last = next((p.updates for p in known if p.updates >= updates), updates)
        values = [p.values[self.objective] for p in known if p.updates <= last]
        return max(values, default=None)


def chosen_trial(records: Iterable[TrialRecord], arm: str) -> TrialRecord | None:
    """Return the search trial whose recipe `arm` is confirmed with: the best objective among the finished.

    The objective is a validation score and is maximised; of equal ones the earliest ended counts. Of an arm
    without a finished trial (the one that was not stopped failed) the best of the stopped ones counts; failed
    trials are never chosen. None if there is neither. The order of `records` is irrelevant.
    """
    scored = [
        record
        for record in records
        if record.arm == arm and record.stage == "search" and record.score is not None
    ]
    finished = [record for record in scored if record.outcome == "finished"]
    return min(finished or scored, key=_best_first, default=None)


def _best_first(record: TrialRecord) -> tuple[float, int, str]:
    return -(record.score or 0.0), record.ended_unix_ms, record.uid
