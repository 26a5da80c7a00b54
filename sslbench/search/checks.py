"""What a sweep file must fulfil beyond its form, so that no trial can fail on its values later. Imports no torch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from sslbench.config import (
    Component,
    EncoderChoice,
    EvaluationChoice,
    PretextChoice,
    TrainingOptions,
)
from sslbench.errors import ConfigError, nearest
from sslbench.plain_yaml import Location
from sslbench.pretext._options import ProjectorOptions
from sslbench.registry import EVALUATIONS, PRETEXTS
from sslbench.results import MACRO_F1, MetricKey, scored_task
from sslbench.search.space import Parameter, Params, corners, first_params, inner_values
from sslbench.strict_yaml import YamlDocument, problem, validated

if TYPE_CHECKING:
    from sslbench.search.spec import Arm, SweepSpec

COMPONENTS: dict[str, type[Component]] = {"pretext": PretextChoice, "encoder": EncoderChoice}
PARTS = (*COMPONENTS, "training")
_ARM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]{0,39}")


def check_sweep(spec: SweepSpec, document: YamlDocument) -> None:
    """Build every arm at every end of its space; the first problem is a ConfigError with its line."""
    _check_evaluation(spec, document)
    validated(TrainingOptions, spec.training, document=document, at=("training",), code="C100")
    for name, arm in spec.arms.items():
        _check_name(name, document)
        _check_parts(spec, arm, document, at=("arms", name))
        _check_objective_of(spec, name, document)
        _check_space(spec, name, document)
    _require_supervised_arm(spec, document)


def _check_evaluation(spec: SweepSpec, document: YamlDocument) -> None:
    seen: set[str] = set()
    for i, given in enumerate(spec.evaluation):
        at = ("evaluation", i)
        validated(EvaluationChoice, given, document=document, at=at, code="C100")
        task = _task_of(given)
        if task in seen:
            raise ConfigError(
                f"the evaluation task {task!r} is listed twice",
                code="C117",
                where=document.where(at),
                fix="keep one: its scores have one name",
            )
        seen.add(task)


def _task_of(given: dict[str, Any]) -> str:
    """Return the name that an entry of `evaluation` has in metric keys."""
    return scored_task(given["name"], of=given.get("of", "encoder"))


def _check_name(name: str, document: YamlDocument) -> None:
    if not _ARM_NAME.fullmatch(name):
        raise ConfigError(
            f"an arm's name is letters, digits and _, at most 40; got {name!r}",
            code="C118",
            where=document.where(("arms", name)),
        )


def _check_parts(spec: SweepSpec, arm: Arm, document: YamlDocument, *, at: Location) -> None:
    parts = {"pretext": arm.pretext, "encoder": arm.encoder}
    for part, value in parts.items():
        validated(COMPONENTS[part], value, document=document, at=(*at, part), code="C100")
    training = {**spec.training, **arm.training}
    validated(TrainingOptions, training, document=document, at=(*at, "training"), code="C100")
    for address, parameter in arm.search.items():
        _check_address(arm, address, document, at=(*at, "search", address))
        _check_condition(arm, address, parameter, document, at=(*at, "search", address))


def _check_address(arm: Arm, address: str, document: YamlDocument, *, at: Location) -> None:
    part, _, option = address.partition("/")
    if part not in PARTS:
        raise ConfigError(
            f"a searched parameter is named part/option, got {address!r}",
            code="C110",
            where=document.where(at),
            fix=f"parts: {', '.join(f'{p}/…' for p in PARTS)}",
        )
    chosen = getattr(arm, part)
    fields = TrainingOptions.model_fields
    if part in COMPONENTS:
        fields = COMPONENTS[part].registry.options(chosen["name"]).model_fields
    if option not in fields:
        raise ConfigError(
            f"{part} {chosen.get('name', '')} has no option {option!r}".replace("  ", " "),
            code="C111",
            where=document.where(at),
            fix=nearest(option, fields),
        )


def _check_condition(
    arm: Arm, address: str, parameter: Parameter, document: YamlDocument, *, at: Location
) -> None:
    above = list(arm.search)[: list(arm.search).index(address)]
    for other, allowed in parameter.when.items():
        if other not in above:
            raise ConfigError(
                f"{address} is asked when {other} has a value, but {other} is not searched above it",
                code="C112",
                where=document.where((*at, "when", other)),
                fix=nearest(other, above) if above else "move the condition's parameter above",
            )
        never = [value for value in allowed if not arm.search[other].can_be(value)]
        if never:
            raise ConfigError(
                f"{other} can never be {never[0]!r}, so {address} would not be asked then",
                code="C112",
                where=document.where((*at, "when", other)),
                found=f"{other}: {arm.search[other].describe()}",
            )


def _check_space(spec: SweepSpec, name: str, document: YamlDocument) -> None:
    space = spec.arms[name].search
    _check_config(spec, name, first_params(space), document, address=None)
    for address, params in (*corners(space), *inner_values(space)):
        _check_config(spec, name, params, document, address=address)


def _check_config(
    spec: SweepSpec, name: str, params: Params, document: YamlDocument, *, address: str | None
) -> None:
    at: Location = ("arms", name, "search", address) if address else ("arms", name)
    chosen = ", ".join(f"{key}={value}" for key, value in params.items()) or None
    try:
        spec.config(name, params, seed=spec.seed)
    except ValidationError as error:
        what = problem(error)
        blamed = [a for a in params if what.startswith(f"{a.partition('/')[2]}: ")]
        if len(blamed) == 1:
            at = ("arms", name, "search", blamed[0])
        raise ConfigError(
            f"arm {name!r} cannot be run with some of its values: {what}",
            code="C113",
            where=document.where(at),
            found=chosen,
        ) from error
    except ConfigError as error:
        error.where, error.found = document.where(at), error.found or chosen
        raise


def _check_objective_of(spec: SweepSpec, name: str, document: YamlDocument) -> None:
    """Check the score that chooses an arm's recipes: a validation score that this arm can have."""
    arm = spec.arms[name]
    at: Location = ("arms", name, "objective") if arm.objective else ("objective", "metric")
    try:
        key = _checked_objective(arm.objective or spec.objective.metric, spec)
        _check_can_be_scored(arm, name, key)
    except ConfigError as error:
        error.where = document.where(at)
        raise


def _checked_objective(text: str, spec: SweepSpec) -> MetricKey:
    """Return the key of an objective; only validation scores of the sweep's own tasks choose."""
    key = MetricKey.parse(text)
    if key.split != "val":
        raise ConfigError(
            f"the objective must be a validation score, got {text!r}",
            code="C021",
            fix=f"val/{key.task}/{key.metric}; test scores are computed once, in the confirm stage",
        )
    options = EVALUATIONS.options(key.evaluation)
    if key.of_projector and "of" not in options.model_fields:
        raise ConfigError(
            f"the evaluation task {key.evaluation!r} scores no projector", code="C114", found=text
        )
    if key.task not in map(_task_of, spec.evaluation):
        of = ", of: projector" if key.of_projector else ""
        raise ConfigError(
            f"the objective {text!r} needs the evaluation task {key.task!r}",
            code="C114",
            fix=f"add {{name: {key.evaluation}{of}}} to `evaluation`",
        )
    if EVALUATIONS.constant(key.evaluation, "confirm_only"):
        raise ConfigError(
            f"the evaluation task {key.evaluation!r} is scored in the confirm stage only: too expensive "
            "to choose by",
            code="C023",
            fix="choose by knn or linear_probe; it stays in `evaluation`",
        )
    metrics = EVALUATIONS.constant(key.evaluation, "metrics")
    larger_is_better = [metric for metric, direction in metrics.items() if direction == "max"]
    if key.metric not in larger_is_better:
        raise ConfigError(
            f"the evaluation task {key.evaluation!r} has no metric {key.metric!r} to be maximised",
            code="C022",
            fix=nearest(key.metric, larger_is_better),
        )
    return key


def _check_can_be_scored(arm: Arm, name: str, key: MetricKey) -> None:
    needed = EVALUATIONS.constant(key.evaluation, "needs_of_arm")
    if "classifier" in needed and not PRETEXTS.constant(arm.pretext["name"], "sees_labels"):
        raise ConfigError(
            f"the objective of arm {name!r} scores an arm's own classifier, and this arm has none",
            code="C116",
            fix="choose by knn or linear_probe; give the supervised arm its own `objective`",
        )
    sees_labels = PRETEXTS.constant(arm.pretext["name"], "sees_labels")
    if sees_labels and EVALUATIONS.constant(key.evaluation, "of_blind_arms"):
        raise ConfigError(
            f"the objective of arm {name!r} scores arms that saw no label, and this arm learns from them",
            code="C116",
            fix="give the supervised arm its own `objective`, such as val/head/macro_f1",
        )
    if "classifier" not in needed and not PRETEXTS.constant(arm.pretext["name"], "embeds"):
        raise ConfigError(
            f"the objective of arm {name!r} scores an embedding, and {arm.pretext['name']} has none of its own",
            code="C116",
            fix=f"give the arm its own `objective`: val/head/{MACRO_F1}",
        )
    if key.of_projector and not has_projector(arm.pretext["name"]):
        raise ConfigError(
            f"the objective of arm {name!r} scores a projector's output, and this arm has none",
            code="C119",
            fix=f"choose by val/{key.evaluation}/{key.metric}; give arms with a projector their own `objective`",
        )


def has_projector(pretext: str) -> bool:
    """Say whether a pretext task compares views behind a projector: then its size is among its options."""
    return issubclass(PRETEXTS.options(pretext), ProjectorOptions)


def _require_supervised_arm(spec: SweepSpec, document: YamlDocument) -> None:
    rivals = [arm for arm in spec.arms.values() if not arm.is_control]
    if "supervised" not in {arm.regime for arm in rivals}:
        raise ConfigError(
            "a sweep needs a supervised arm: without one no gain of pretraining can be shown",
            code="C115",
            where=document.where(("arms",)),
            fix="add `supervised: {pretext: {name: supervised}, encoder: {name: mlp}, search: {…}}`",
        )
