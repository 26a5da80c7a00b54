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
FailureKind = Literal["diverged", "oom", "killed", "error"]

RECORD_SCHEMA = 1
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


class CurvePoint(BaseModel):
    """What one report saw, after `updates` updates."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    updates: int
    seconds: float
    unix_ms: int
    values: dict[str, float] = Field(description="metric keys and `train/pretext/…` losses")


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
    provenance: dict[str, str] = Field(description="versions, commit, dirty flag, host, device")
    started_unix_ms: int
    ended_unix_ms: int
    files: dict[str, str] = Field({}, description="name → SHA-256 of the files beside this record")

    @property
    def reports(self) -> tuple[CurvePoint, ...]:
        """Every report of the trial, however it ended."""
        return self.result.curve if self.result is not None else self.curve


def chosen_trial(records: Iterable[TrialRecord], arm: str) -> TrialRecord | None:
    """Return the search trial whose recipe `arm` is confirmed with: the best objective among the finished.

    The objective is a validation score and is maximised; of equal ones the earliest ended counts. Stopped and
    failed trials are never chosen; None if no trial of the arm has finished. The order of `records` is irrelevant.
    """
    best: tuple[float, int, str] | None = None
    chosen: TrialRecord | None = None
    for record in records:
        value = record.objective_value
        searched = record.arm == arm and record.stage == "search" and record.outcome == "finished"
        if not searched or value is None:
            continue
        key = (-value, record.ended_unix_ms, record.uid)
        if best is None or key < best:
            best, chosen = key, record
    return chosen
