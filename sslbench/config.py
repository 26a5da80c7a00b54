"""What a trial is: every choice that can change its scores, checked, flattened and fingerprinted. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from sslbench.registry import ENCODERS, EVALUATIONS, PRETEXTS, Registry

EmbeddingOf = Literal["encoder", "projector"]
Scenario = Literal["in_data", "transfer", "zero_shot"]


class Frozen(BaseModel):
    """An immutable record; unknown keys are errors, so a misspelt option can never be ignored; so is NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ComponentOptions(Frozen):
    """Base of every `Options`: its fields are the YAML keys, the logged parameters and the documentation."""


class OptionsError(ValueError):
    """Options of a registered thing that its own model refuses."""

    def __init__(self, options: type[ComponentOptions], error: ValidationError) -> None:
        self.options, self.error = options, error
        super().__init__(str(error))


class Component(BaseModel):
    """A registered thing chosen by name, beside its options: `{name: knn, k: 5}`; defaults are written out."""

    model_config = ConfigDict(frozen=True, extra="allow")
    registry: ClassVar[Registry]
    name: str

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        if isinstance(given, BaseModel):
            return given
        options = {key: value for key, value in dict(given).items() if key != "name"}
        if "name" not in given:
            raise ValueError(f"a {cls.registry.noun} needs a name; {{name: …}}")
        model = cls.registry.options(str(given["name"]))
        try:
            checked = model.model_validate(options)
        except ValidationError as error:
            raise OptionsError(model, error) from error
        return {"name": given["name"], **checked.model_dump(mode="json")}

    @property
    def options(self) -> dict[str, Any]:
        """The options without the name, defaults included."""
        return dict(self.model_extra or {})


class PretextChoice(Component):
    """How the encoder gets its weights."""

    registry: ClassVar[Registry] = PRETEXTS


class EncoderChoice(Component):
    """The network that is kept."""

    registry: ClassVar[Registry] = ENCODERS


class EvaluationChoice(Component):
    """A downstream task by which the embedding is scored."""

    registry: ClassVar[Registry] = EVALUATIONS


class DatasetChoice(Frozen):
    """Which cells, and how many genes of them."""

    name: str = Field(description="a data set of the catalogue, or of the file given by --data")
    n_top_genes: PositiveInt | None = Field(
        None, description="highly variable genes kept, chosen on training cells; null keeps all"
    )


class TrainingOptions(Frozen):
    """The optimisation loop, the same for every pretext task and baseline; budgets count updates."""

    optimiser: Literal["adamw", "lars"] = Field(
        "adamw", description="how a gradient becomes a step; lars is for very large minibatches"
    )
    learning_rate: float = Field(
        1e-3, gt=0, le=10, description="of the optimiser; lars wants 0.1 to 5"
    )
    weight_decay: float = Field(
        0.01, ge=0, le=1, description="decoupled under adamw, part of the gradient under lars"
    )
    minibatch_size: int = Field(128, ge=2, le=65536, description="cells in one update")
    max_updates: PositiveInt = Field(600, description="updates after which training ends")
    evaluate_every: PositiveInt = Field(75, description="updates between two reports")
    patience: PositiveInt = Field(
        4, description="reports without a better objective before stopping"
    )
    gradient_clip: float = Field(1.0, gt=0, description="largest norm of the gradient")


class TrialConfig(Frozen):
    """One configuration and one seed: two equal configs on equal data give bit-equal scores on CPU."""

    dataset: DatasetChoice
    pretext: PretextChoice
    encoder: EncoderChoice
    training: TrainingOptions = TrainingOptions()  # type: ignore[call-arg]
    evaluation: tuple[EvaluationChoice, ...] = Field(min_length=1)
    scenario: Scenario = Field("in_data", description="where the encoder's cells come from")
    corpus: tuple[str, ...] = Field(
        (), description="data sets it is pretrained on; none: the target's own training cells"
    )
    label_fraction: float = Field(
        1.0, gt=0, le=1, description="of the labels of training and validation cells, for everyone"
    )
    label_fractions: tuple[float, ...] = Field(
        (), description="further fractions at which a confirmed recipe is scored"
    )
    objective: str = Field("val/knn/macro_f1", description="validation score that is maximised")
    seed: int = Field(0, ge=0, lt=2**31)

    def flat(self) -> dict[str, str | int | float | bool | None]:
        """Return one level of `part/option` keys, as MLflow shows them and sweeps address them."""
        parts = {"pretext": self.pretext, "encoder": self.encoder, "training": self.training}
        flat = {
            f"{part}/{key}": value
            for part, model in parts.items()
            for key, value in model.model_dump(mode="json").items()
        }
        flat |= {f"dataset/{k}": v for k, v in self.dataset.model_dump(mode="json").items()}
        return flat | {"objective": self.objective, "seed": self.seed}

    def recipe(self) -> str:
        """Return the fingerprint of everything but the seed: trials of one recipe differ by luck alone."""
        return fingerprint(self.model_dump(mode="json", exclude={"seed"}))

    def fingerprint(self) -> str:
        """Return 16 hex digits that name this configuration, seed included."""
        return fingerprint(self.model_dump(mode="json"))


def canonical_json(value: Any) -> str:
    """Return the one JSON text of a value: keys sorted, no spaces, NaN refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def fingerprint(value: Any) -> str:
    """Return the first 16 hex digits of the SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]
