"""What the projection is told about a sweep beside its ledger, and about its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class ProjectionFacts:
    """One execution of one sweep on one data set."""

    sweep: str
    question: str
    execution: str  # `execution` of sweep.json: new after --fresh, the same after a resume
    dataset: str
    objective: str  # validation score that was maximised, e.g. val/knn/macro_f1
    home: Path  # the folder of answers: mlflow.db, artifacts/
    label_names: tuple[str, ...]  # in the order of their codes; () where there are none
    task: str = "cell_type"  # what the embedding is judged on; part of the registered model's name


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What the parent run shows of a sweep that came to its end."""

    verdict: str
    report_files: tuple[Path, ...] = ()  # the page, and the leaderboard as tables and pictures
    summary: Mapping[str, float] = field(default_factory=dict)  # finite numbers by metric name
