"""What a claim compares must be in the sweep: its arms, and the tasks that it names. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sslbench.claim import Side
from sslbench.errors import ConfigError, nearest
from sslbench.plain_yaml import Location
from sslbench.registry import EVALUATIONS
from sslbench.results import MetricKey, scored_task
from sslbench.strict_yaml import YamlDocument

if TYPE_CHECKING:
    from sslbench.search.spec import SweepSpec


def check_claim(spec: SweepSpec, document: YamlDocument) -> None:
    """Raise ConfigError with its line for the first comparison that this sweep cannot make."""
    for i, part in enumerate(spec.claim.parts if spec.claim else ()):
        at: Location = ("claim", "parts", i)
        for name, side in (("better", part.better), ("than", part.than)):
            _check_side(spec, side, document, at=(*at, name))
            _check_metric(part.metric, side, document, at=at)
        if part.better == part.than:
            raise ConfigError(
                "a claim compares two sides, and these are one",
                code="C126",
                where=document.where(at),
                found=str(part.better),
            )


def _check_side(spec: SweepSpec, side: Side, document: YamlDocument, *, at: Location) -> None:
    if side.arm not in spec.arms:
        raise ConfigError(
            f"the claim is about an arm {side.arm!r} that the sweep does not have",
            code="C125",
            where=document.where((*at, "arm")),
            fix=nearest(side.arm, spec.arms),
        )
    tasks = [scored_task(e["name"], of=e.get("of", "encoder")) for e in spec.evaluation]
    if side.by is not None and side.by not in tasks:
        raise ConfigError(
            f"the claim is about scores by {side.by!r}, which `evaluation` does not list",
            code="C125",
            where=document.where((*at, "by")),
            found=f"{MetricKey.parse(spec.objective.metric).metric} by {', '.join(tasks)}",
            fix=nearest(side.by, tasks),
        )


def _check_metric(metric: str | None, side: Side, document: YamlDocument, *, at: Location) -> None:
    if metric is None:
        return
    if side.by is None:
        raise ConfigError(
            f"{metric!r} is a metric of a task, and no task is named",
            code="C127",
            where=document.where((*at, "metric")),
            fix="name the task of both sides: {arm: …, by: …}",
        )
    task = MetricKey("val", side.by, metric).evaluation
    metrics = EVALUATIONS.constant(task, "metrics")
    larger_is_better = [name for name, direction in metrics.items() if direction == "max"]
    if metric not in larger_is_better:
        raise ConfigError(
            f"the evaluation task {task!r} has no metric {metric!r} that is better when larger",
            code="C127",
            where=document.where((*at, "metric")),
            fix=nearest(metric, larger_is_better),
        )
