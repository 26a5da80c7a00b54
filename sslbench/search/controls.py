"""Controls: arms that every sweep gets without asking, because they are the scale that its scores are read on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sslbench.errors import ConfigError
from sslbench.registry import EVALUATIONS, PRETEXTS
from sslbench.results import MetricKey
from sslbench.search.spec import Arm, SweepSpec

HEAD = "head"  # the protocol that reads a control's own classifier


def with_controls(spec: SweepSpec) -> SweepSpec:
    """Return the sweep with the controls that its file does not have as arms; nothing in them is searched.

    A control that learns from labels is added where the objective is of predicted labels, and is scored by `head`,
    which joins `evaluation` if it is not there. One that does not is added where a task of the sweep can score it.

    Raises
    ------
    ConfigError
        C128 if another arm has the name of a control.
    """
    has = {arm.pretext["name"] for arm in spec.arms.values()}
    missing = [name for name in controls() if name not in has]
    added = {name: arm for name in missing for arm in _arm_of(name, spec)}
    taken = sorted(set(added) & set(spec.arms))
    if taken:
        raise ConfigError(
            f"the arm {taken[0]!r} has the name of a control that every sweep gets, and is another pretext task",
            code="C128",
            where=f"arms.{taken[0]}",
            found=f"pretext task {spec.arms[taken[0]].pretext['name']}",
            fix="another name",
        )
    of_head = any(_learns_from_labels(name) for name in added)
    is_judged = HEAD in {task["name"] for task in spec.evaluation}
    more = ({"name": HEAD},) if of_head and not is_judged else ()
    asked = {"arms": {**spec.arms, **added}, "evaluation": (*spec.evaluation, *more)}
    return spec.model_copy(update=asked)


def controls() -> list[str]:
    """Return the pretext tasks that are controls, by name."""
    return [name for name in PRETEXTS.names() if PRETEXTS.constant(name, "is_control")]


def _arm_of(name: str, spec: SweepSpec) -> Iterator[Arm]:
    """Yield the arm of a control, if the sweep can score it."""
    metric = MetricKey.parse(spec.objective.metric)
    key = _head(metric) if _learns_from_labels(name) else _task_for_anyone(spec, metric)
    if key is not None:
        fixed = PRETEXTS.constant(name, "control_encoder")
        encoder = {"name": fixed} if fixed else _trained_encoder(spec)
        objective = str(key) if key != metric else None
        given = {"pretext": {"name": name}, "encoder": encoder, "objective": objective}
        yield Arm.model_validate(given)


def _learns_from_labels(name: str) -> bool:
    return bool(PRETEXTS.constant(name, "sees_labels"))


def _head(metric: MetricKey) -> MetricKey | None:
    """Return the objective that reads classifiers, if that of the sweep is of predicted labels too."""
    needed = EVALUATIONS.constant(metric.evaluation, "needs_of_cells")
    named = metric.metric in EVALUATIONS.constant(HEAD, "metrics")
    return metric._replace(task=HEAD) if needed == ("labels",) and named else None


def _task_for_anyone(spec: SweepSpec, metric: MetricKey) -> MetricKey | None:
    """Return the sweep's objective or, if it needs more of an arm than an encoder, its metric in another task."""
    encoded = [t["name"] for t in spec.evaluation if t.get("of", "encoder") == "encoder"]
    keys = (metric, *(metric._replace(task=name) for name in encoded))
    return next((key for key in keys if _scores_anyone(key)), None)


def _scores_anyone(key: MetricKey) -> bool:
    needs_more = key.of_projector or EVALUATIONS.constant(key.evaluation, "needs_of_arm")
    late = EVALUATIONS.constant(key.evaluation, "confirm_only")
    return not (needs_more or late) and key.metric in EVALUATIONS.constant(
        key.evaluation, "metrics"
    )


def _trained_encoder(spec: SweepSpec) -> dict[str, Any]:
    """Return the encoder of the first self-supervised arm, else of the first that is trained by gradients, else mlp.

    What an arm searches of its encoder has the default there.
    """
    arms = list(spec.arms.values())
    ssl = [arm for arm in arms if arm.regime == "self-supervised"]
    trained = [a for a in arms if not PRETEXTS.constant(a.pretext["name"], "gradient_free")]
    return next((dict(arm.encoder) for arm in (*ssl, *trained)), {"name": "mlp"})
