"""A sweep file: the question, the arms, what each may choose, and the one budget that all of them get."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt, field_validator

from sslbench.claim import Claim
from sslbench.config import (
    DatasetChoice,
    EncoderChoice,
    EvaluationChoice,
    Frozen,
    PretextChoice,
    Scenario,
    TrainingOptions,
    TrialConfig,
    canonical_json,
    fingerprint,
)
from sslbench.errors import ConfigError
from sslbench.registry import PRETEXTS
from sslbench.results import Regime
from sslbench.search.checks import check_sweep
from sslbench.search.checks_of_claim import check_claim
from sslbench.search.checks_of_scenario import check_scenario
from sslbench.search.gene_sets import pin_gene_sets
from sslbench.search.space import Parameter, Params, first_params, size
from sslbench.strict_yaml import YamlDocument, load_yaml, plain_value, validate


class ObjectiveChoice(Frozen):
    """The validation score by which recipes are chosen and weak trials are stopped."""

    metric: str = Field(
        "val/knn/macro_f1", description="split/task/metric; test scores are refused"
    )
    mode: Literal["max"] = Field("max", description="every objective here is better when larger")


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
    stall_timeout_seconds: float = Field(
        1800.0,
        ge=1,
        le=10**7,
        description="a trial without a report for so long hangs: it is ended, tried once more, and then listed as stalled",
    )

    @field_validator("gpus_per_trial")
    @classmethod
    def _whole_above_one(cls, share: float) -> float:
        if share > 1 and share != int(share):
            raise ValueError(f"a trial takes a share of one GPU or whole GPUs, got {share}")
        return share


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
    pretrain_on: Literal["corpus", "target"] | None = Field(
        None,
        description="whose cells the encoder learns from; where the sweep has a corpus, "
        "self-supervised arms learn from it unless they say otherwise",
    )
    objective: str | None = Field(
        None,
        description="the arm's own objective, where its protocol differs (a classifier's head)",
    )
    label_fraction: float | None = Field(
        None, description="set by `retune` alone: the share of labels of the arm's own search"
    )

    @property
    def regime(self) -> Regime:
        """How the arm's weights come about."""
        regime: Regime = PRETEXTS.constant(self.pretext["name"], "regime")
        return regime

    @property
    def is_control(self) -> bool:
        """Whether the arm shows how to read the others' scores, and is no rival of theirs."""
        return bool(PRETEXTS.constant(self.pretext["name"], "is_control"))

    def n_trials(self, budget: Budget) -> int:
        """Return the trials this arm gets: the budget, or its whole space if that is smaller."""
        return int(min(budget.trials, size(self.search)))


class SweepSpec(Frozen):
    """Several arms compared at equal budget on one data set."""

    question: str = Field(min_length=1, description="what the sweep answers, in one sentence")
    dataset: DatasetChoice
    scenario: Scenario = Field(
        "in_data",
        description="transfer: pretrain on a corpus without the target; zero_shot: and choose its genes "
        "there too, and train on no target cell but a probe",
    )
    corpus: tuple[str, ...] = Field(
        (), description="data sets that are pretrained on, joined on genes"
    )
    label_fraction: float = Field(
        1.0, gt=0, le=1, description="share of training and validation labels that exist at all"
    )
    label_fractions: tuple[float, ...] = Field(
        (), description="further shares at which confirmed recipes are scored, in whole percents"
    )
    retune: bool = Field(
        False, description="search every arm anew at each of label_fractions, for the same budget"
    )
    objective: ObjectiveChoice = ObjectiveChoice()  # type: ignore[call-arg]
    budget: Budget = Budget()  # type: ignore[call-arg]
    resources: Resources = Resources()  # type: ignore[call-arg]
    halving: Halving = Halving()  # type: ignore[call-arg]
    training: dict[str, Any] = Field({}, description="options common to all arms")
    evaluation: tuple[dict[str, Any], ...] = Field(min_length=1)
    arms: dict[str, Arm] = Field(min_length=1)
    seed: int = Field(0, ge=0, lt=2**30)
    claim: Claim | None = Field(None, description="a published claim that the sweep re-examines")

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
        return TrialConfig(
            dataset=self.dataset,
            scenario=self.scenario,
            corpus=self.corpus if self.learns_from_corpus(arm) else (),
            label_fraction=chosen.label_fraction or self.label_fraction,
            label_fractions=() if self.retune else self.label_fractions,
            pretext=PretextChoice.model_validate(parts["pretext"]),
            encoder=EncoderChoice.model_validate(parts["encoder"]),
            training=TrainingOptions.model_validate(parts["training"]),
            evaluation=self.config_evaluation(),
            objective=chosen.objective or self.objective.metric,
            seed=seed,
        )

    def config_evaluation(self) -> tuple[EvaluationChoice, ...]:
        """Return the evaluation tasks with their defaults written out."""
        return tuple(EvaluationChoice.model_validate(given) for given in self.evaluation)

    def learns_from_corpus(self, arm: str) -> bool:
        """Say whether an arm is pretrained on the corpus and not on the target's training cells."""
        chosen = self.arms[arm]
        usual = "corpus" if self.corpus and chosen.regime == "self-supervised" else "target"
        return (chosen.pretrain_on or usual) == "corpus"

    def most_updates(self, arm: str) -> int | None:
        """Return the most updates that a trial of an arm may train for; None if it trains by no gradient."""
        chosen = self.arms[arm]
        if PRETEXTS.constant(chosen.pretext["name"], "gradient_free"):
            return None
        searched = chosen.search.get("training/max_updates")
        if searched is not None:
            return int(max(searched.ends()))
        given = {**self.training, **chosen.training}
        return TrainingOptions.model_validate(given).max_updates

    def n_search_trials(self) -> int:
        """Return the search trials of all arms together."""
        return sum(arm.n_trials(self.budget) for arm in self.arms.values())

    def question_fingerprint(self, data_fingerprint: str) -> str:
        """Return the name of the question: what may change without making finished trials useless is left out."""
        asked = self.model_dump(
            mode="json", by_alias=True, exclude={"budget", "resources", "question", "claim"}
        )
        return fingerprint([asked, data_fingerprint])[:8]


def load_sweep(path: Path, *, overrides: tuple[str, ...] = ()) -> SweepSpec:
    """Read and check a sweep file, with `a.b=value` overrides put in; raise one ConfigError per problem."""
    document = load_yaml(path)
    for override in overrides:
        _put_in(document, override)
    spec = validate(SweepSpec, document, code="C100")
    check_sweep(spec, document)
    check_scenario(spec, document)
    check_claim(spec, document)
    return pin_gene_sets(spec, document)


def _put_in(document: YamlDocument, override: str) -> None:
    address, equals, text = override.partition("=")
    keys = tuple(address.split("."))
    if not equals or not all(keys):
        raise ConfigError(
            f"an override is written key.key=value, got {override!r}",
            code="C101",
            fix="-o budget.trials=4",
        )
    document.put(keys, plain_value(text, of=f"-o {override}"), override=override)


def describe_space(spec: SweepSpec) -> list[tuple[str, str, str]]:
    """Return (arm, parameter, values) for every searched parameter; one row for arms that search nothing."""
    rows = []
    for name, arm in spec.arms.items():
        rows += [(name, address, p.describe()) for address, p in arm.search.items()]
        if not arm.search:
            rows.append((name, "(nothing searched)", "one trial"))
    return rows


def describe_fixed(spec: SweepSpec) -> list[tuple[str, str]]:
    """Return (arm, `part/option=value, …`) for everything an arm does not search, defaults included."""
    rows = []
    for name, arm in spec.arms.items():
        flat = spec.config(name, first_params(arm.search), seed=spec.seed).flat()
        fixed = {k: v for k, v in flat.items() if k not in arm.search and v is not None}
        rows.append((name, ", ".join(f"{k}={v}" for k, v in fixed.items() if k != "seed")))
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
