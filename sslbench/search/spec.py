"""A sweep file: the question, the arms, what each may choose, and the one budget that all of them get."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, PositiveInt, ValidationError, field_validator, model_validator

from sslbench.config import (
    Component,
    DatasetChoice,
    EncoderChoice,
    EvaluationChoice,
    Frozen,
    PretextChoice,
    TrainingOptions,
    TrialConfig,
    canonical_json,
    fingerprint,
)
from sslbench.errors import ConfigError, nearest
from sslbench.registry import EVALUATIONS, PRETEXTS
from sslbench.results import MetricKey
from sslbench.search.space import Parameter, Params, corners, first_params, size
from sslbench.strict_yaml import Location, YamlDocument, load_yaml, problem, validate, validated

COMPONENTS: dict[str, type[Component]] = {"pretext": PretextChoice, "encoder": EncoderChoice}
PARTS = (*COMPONENTS, "training")


class ObjectiveChoice(Frozen):
    """The validation score by which recipes are chosen and weak trials are stopped."""

    metric: str = Field(
        "val/knn/macro_f1", description="split/task/metric; test scores are refused"
    )
    mode: Literal["max"] = Field("max", description="every objective here is better when larger")

    @field_validator("metric")
    @classmethod
    def _is_validation(cls, metric: str) -> str:
        return validation_metric(metric)


class Budget(Frozen):
    """What every arm gets, or its whole space where that is smaller."""

    trials: int = Field(16, ge=1, le=100_000, description="search trials per arm")
    confirm_seeds: int = Field(5, ge=1, le=100, description="fresh seeds of each arm's best recipe")


class Resources(Frozen):
    """What one trial occupies."""

    cpus_per_trial: PositiveInt = Field(1, description="CPU cores, and torch threads")
    gpus_per_trial: float = Field(
        0.25, ge=0, le=8, description="share of a GPU, where there is one"
    )
    max_concurrent: PositiveInt | Literal["auto"] = Field("auto", description="trials at a time")


class Halving(Frozen):
    """Successive halving (ASHA; Li et al. 2020, arXiv 1810.05934) within each arm."""

    first_rung: PositiveInt = Field(150, description="updates before a trial may be stopped")
    reduction_factor: int = Field(3, ge=2, le=16, description="one in so many goes on at each rung")


class Arm(Frozen):
    """One pretext task and encoder with its own search space."""

    pretext: dict[str, Any]
    encoder: dict[str, Any]
    training: dict[str, Any] = Field({}, description="options that differ from the common ones")
    search: dict[str, Parameter] = Field({}, description="by `part/option`")
    objective: str | None = Field(
        None,
        description="the arm's own objective, where its protocol differs (a classifier's head)",
    )

    @field_validator("objective")
    @classmethod
    def _is_validation(cls, metric: str | None) -> str | None:
        return None if metric is None else validation_metric(metric)

    def n_trials(self, budget: Budget) -> int:
        """Return the trials this arm gets: the budget, or its whole space if that is smaller."""
        return int(min(budget.trials, size(self.search)))


class SweepSpec(Frozen):
    """Several arms compared at equal budget on one data set."""

    question: str = Field(min_length=1, description="what the sweep answers, in one sentence")
    dataset: DatasetChoice
    objective: ObjectiveChoice = ObjectiveChoice()  # type: ignore[call-arg]
    budget: Budget = Budget()  # type: ignore[call-arg]
    resources: Resources = Resources()  # type: ignore[call-arg]
    halving: Halving = Halving()  # type: ignore[call-arg]
    training: dict[str, Any] = Field({}, description="options common to all arms")
    evaluation: tuple[dict[str, Any], ...] = Field(min_length=1)
    arms: dict[str, Arm] = Field(min_length=1)
    seed: int = Field(0, ge=0, lt=2**30)

    @model_validator(mode="after")
    def _names_are_plain(self) -> SweepSpec:
        for name in self.arms:
            if not name.replace("_", "").isalnum() or not name.isascii() or len(name) > 40:
                raise ValueError(
                    f"an arm's name is letters, digits and _, at most 40; got {name!r}"
                )
        return self

    def config(self, arm: str, params: Params, *, seed: int) -> TrialConfig:
        """Return the trial configuration of an arm with the searched `params` put in."""
        chosen = self.arms[arm]
        parts: dict[str, dict[str, Any]] = {
            "pretext": dict(chosen.pretext),
            "encoder": dict(chosen.encoder),
            "training": {**self.training, **chosen.training},
        }
        for address, value in params.items():
            part, _, option = address.partition("/")
            parts[part][option] = value
        evaluations = [EvaluationChoice.model_validate(e) for e in self.evaluation]
        return TrialConfig(
            dataset=self.dataset,
            pretext=PretextChoice.model_validate(parts["pretext"]),
            encoder=EncoderChoice.model_validate(parts["encoder"]),
            training=TrainingOptions.model_validate(parts["training"]),
            evaluation=tuple(evaluations),
            objective=chosen.objective or self.objective.metric,
            seed=seed,
        )

    def n_search_trials(self) -> int:
        """Return the search trials of all arms together."""
        return sum(arm.n_trials(self.budget) for arm in self.arms.values())

    def question_fingerprint(self, data_fingerprint: str) -> str:
        """Return the name of the question: what may change without making finished trials useless is left out."""
        asked = self.model_dump(
            mode="json", by_alias=True, exclude={"budget", "resources", "question"}
        )
        return fingerprint([asked, data_fingerprint])[:8]


def validation_metric(text: str) -> str:
    """Return the metric key if it is a validation score; test scores never choose anything."""
    key = MetricKey.parse(text)
    if key.split != "val":
        raise ConfigError(
            f"the objective must be a validation score, got {text!r}",
            code="C021",
            fix=f"val/{key.task}/{key.metric}; test scores are computed once, in the confirm stage",
        )
    EVALUATIONS.check(key.task)
    return text


def load_sweep(path: Path, *, overrides: tuple[str, ...] = ()) -> SweepSpec:
    """Read and check a sweep file, with `a.b=value` overrides put in; raise one ConfigError per problem."""
    document = load_yaml(path)
    for override in overrides:
        _put_in(document, override)
    spec = validate(SweepSpec, document, code="C100")
    _check_arms(spec, document)
    return spec


def _put_in(document: YamlDocument, override: str) -> None:
    address, equals, text = override.partition("=")
    keys = address.split(".")
    if not equals or not all(keys):
        raise ConfigError(
            f"an override is written key.key=value, got {override!r}",
            code="C101",
            fix="-o budget.trials=4",
        )
    at: Any = document.value
    for key in keys[:-1]:
        at = at.setdefault(key, {})
        if not isinstance(at, dict):
            raise ConfigError(
                f"{key!r} in the override {override!r} has no keys below it", code="C101"
            )
    try:
        at[keys[-1]] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"the value in {override!r} is not valid YAML", code="C101") from error


def _check_arms(spec: SweepSpec, document: YamlDocument) -> None:
    """Build every arm at every end of its space, so that nothing can fail on its values later."""
    for i, evaluation in enumerate(spec.evaluation):
        validated(
            EvaluationChoice, evaluation, document=document, at=("evaluation", i), code="C100"
        )
    _check_objectives(spec, document)
    for name, arm in spec.arms.items():
        _check_parts(spec, arm, document, at=("arms", name))
        _check_space(spec, name, document)
    _require_supervised_arm(spec, document)


def _check_parts(spec: SweepSpec, arm: Arm, document: YamlDocument, *, at: Location) -> None:
    parts = {"pretext": arm.pretext, "encoder": arm.encoder}
    for part, value in parts.items():
        validated(COMPONENTS[part], value, document=document, at=(*at, part), code="C100")
    training = {**spec.training, **arm.training}
    where = (*at, "training") if arm.training else ("training",)
    validated(TrainingOptions, training, document=document, at=where, code="C100")
    for address, parameter in arm.search.items():
        _check_address(arm, address, document, at=(*at, "search", address))
        _check_condition(arm, address, parameter, document, at=(*at, "search", address))


def _check_address(arm: Arm, address: str, document: YamlDocument, *, at: Location) -> None:
    part, _, option = address.partition("/")
    if part not in PARTS:
        known = [f"{p}/…" for p in PARTS]
        raise ConfigError(
            f"a searched parameter is named part/option, got {address!r}",
            code="C110",
            where=document.where(at),
            fix=f"parts: {', '.join(known)}",
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
                where=document.where(at),
                fix=nearest(other, above) if above else "move the condition's parameter above",
            )
        possible = arm.search[other].values()
        unknown = [value for value in allowed if possible is not None and value not in possible]
        if unknown:
            raise ConfigError(
                f"{other} can never be {unknown[0]!r}",
                code="C112",
                where=document.where(at),
                found=f"its values: {list(possible or ())}",
            )


def _check_space(spec: SweepSpec, name: str, document: YamlDocument) -> None:
    space = spec.arms[name].search
    _check_config(spec, name, first_params(space), document, at=("arms", name))
    for address, params in corners(space):
        _check_config(spec, name, params, document, at=("arms", name, "search", address))


def _check_config(
    spec: SweepSpec, name: str, params: Params, document: YamlDocument, *, at: Location
) -> None:
    try:
        spec.config(name, params, seed=spec.seed)
    except ValidationError as error:
        chosen = ", ".join(f"{key}={value}" for key, value in params.items())
        raise ConfigError(
            f"arm {name!r} cannot be run with some of its values: {problem(error)}",
            code="C113",
            where=document.where(at),
            found=chosen or None,
        ) from error


def _check_objectives(spec: SweepSpec, document: YamlDocument) -> None:
    named = {e["name"] for e in spec.evaluation}
    wanted: list[tuple[Location, str]] = [(("objective", "metric"), spec.objective.metric)]
    wanted += [(("arms", n, "objective"), a.objective) for n, a in spec.arms.items() if a.objective]
    for at, text in wanted:
        task = MetricKey.parse(text).task
        if task not in named:
            raise ConfigError(
                f"the objective {text!r} needs the evaluation task {task!r}",
                code="C114",
                where=document.where(at),
                fix=f"add {{name: {task}}} to `evaluation`",
            )


def _require_supervised_arm(spec: SweepSpec, document: YamlDocument) -> None:
    regimes = {PRETEXTS.constant(arm.pretext["name"], "regime") for arm in spec.arms.values()}
    if "supervised" not in regimes:
        raise ConfigError(
            "a sweep needs a supervised arm: without one no gain of pretraining can be shown",
            code="C115",
            where=document.where(("arms",)),
            fix="add `supervised: {pretext: {name: supervised}, encoder: {name: mlp}, search: {…}}`",
        )


def describe_space(spec: SweepSpec) -> list[tuple[str, str, str]]:
    """Return (arm, parameter, values) for every searched parameter; one row for arms that search nothing."""
    rows = []
    for name, arm in spec.arms.items():
        rows += [(name, address, p.describe()) for address, p in arm.search.items()]
        if not arm.search:
            rows.append((name, "(nothing searched)", "one trial"))
    return rows


def plan_line(spec: SweepSpec) -> str:
    """Return what will be run, an arm after the other: `mae 16 trials · pca 4 (all) · …`."""
    parts = []
    for name, arm in spec.arms.items():
        whole = not math.isinf(size(arm.search)) and size(arm.search) <= spec.budget.trials
        parts.append(f"{name} {arm.n_trials(spec.budget)}{' (all)' if whole else ''}")
    return " · ".join(parts) + f" · then {spec.budget.confirm_seeds} fresh seeds each"


def spec_text(spec: SweepSpec) -> str:
    """Return the resolved question as canonical JSON, for the ledger."""
    return canonical_json(spec.model_dump(mode="json", by_alias=True))
