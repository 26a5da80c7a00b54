"""Options that several pretext tasks share. Imports no torch, so that sweep files are checked at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import Field, PositiveInt, create_model, model_validator
from pydantic.fields import FieldInfo

from sslbench.config import ComponentOptions
from sslbench.registry import AUGMENTATIONS, HEADS, MASKS


class MaskOptions(ComponentOptions):
    """Which genes are hidden, how they are scored, and the decoder that is thrown away."""

    mask: str = Field("random", description="which genes are hidden; a name of `sslbench list`")
    mask_rate: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="fraction of genes hidden, for the masks that have a rate (there 0.5 if not given)",
    )
    mask_per: Literal["cell", "minibatch"] | None = Field(
        None, description="whether gene_programme draws for each cell or once a minibatch"
    )
    head: str = Field("mse", description="output and loss; a name of `sslbench list`")
    head_fraction: float | None = Field(
        None,
        gt=0,
        le=1,
        description="fraction of the outputs, in blocks of 512 genes drawn anew, that a step works out: cheaper, "
        "unbiased; mask random, head mse, no augmentation, on a CPU (1 if not given)",
    )
    programmes: str = Field(
        "bundled",
        description="for the masks that use programmes: bundled, coexpression (found on training "
        "cells) or the path of a .gmt file",
    )
    decoder_width: PositiveInt = Field(256, description="units of each hidden layer of the decoder")
    decoder_depth: int = Field(1, ge=0, le=16, description="hidden layers of the decoder")

    @model_validator(mode="before")
    @classmethod
    def _fit_to_mask(cls, given: Any) -> Any:
        """Check the names, refuse what the mask does not have and write its defaults out."""
        given = dict(given)
        mask = given.get("mask", cls.model_fields["mask"].default)
        head = HEADS.check(given.get("head", cls.model_fields["head"].default))
        of_mask, of_head = MASKS.options(mask).model_fields, HEADS.options(head).model_fields
        for option in ("mask_rate", "mask_per"):
            _complete(given, option, of_mask, f"mask {mask!r}")
        _complete(given, "head_fraction", of_head, f"head {head!r}")
        if given["head_fraction"] not in (None, 1.0) and not MASKS.defines(mask, "of_non_zeros"):
            raise ValueError(
                f"head_fraction needs a mask that is drawn for non-zeros, as random is, got {mask!r}; "
                "leave head_fraction out"
            )
        return given


def _complete(given: dict[str, Any], option: str, fields: dict[str, FieldInfo], whose: str) -> None:
    """Write the default of an option out, or refuse it where the thing it belongs to does not have it."""
    kind, _, name = option.partition("_")
    if given.get(option) is None:
        given[option] = fields[name].default if name in fields else None
    elif name not in fields:
        raise ValueError(
            f"{whose} has no {option}, got {option}={given[option]}; "
            f"leave {option} out or choose a {kind} that has one"
        )


class ProjectorOptions(ComponentOptions):
    """The network behind the encoder in which views are compared; it is thrown away after training."""

    projector_width: PositiveInt = Field(256, description="units of its hidden layers")
    projector_depth: int = Field(1, ge=0, le=8, description="hidden layers of the projector")
    projector_dim: PositiveInt = Field(128, description="dimensions in which views are compared")


class PredictorOptions(ProjectorOptions):
    """The network behind one of the two projections, where the other one is what it predicts."""

    predictor_width: PositiveInt = Field(256, description="units of the predictor's hidden layers")
    predictor_depth: int = Field(
        1, ge=0, le=8, description="hidden layers of the predictor; 0 leaves the predictor out"
    )


class QueueOptions(ComponentOptions):
    """The projections of recent minibatches, kept to compare with."""

    # With two or more, the queue always holds a key of another cell than the query's: a minibatch has two.
    queue_size: int = Field(
        2048, ge=2, le=1_048_576, description="recent projections that are kept to compare with"
    )


class ChosenAugmentation(NamedTuple):
    """One augmentation of a view: how strong, for which share of cells, and its other options."""

    name: str
    strength: float
    probability: float
    options: dict[str, Any]


class _Applied(ComponentOptions):
    """What every augmentation has beside its own options."""

    probability: float = Field(1.0, ge=0, le=1, description="share of cells that are changed by it")


class _ViewOptions(ComponentOptions):
    default_view: ClassVar[str | None] = "gene_dropout"  # used if no augmentation is named

    @model_validator(mode="before")
    @classmethod
    def _write_out(cls, given: Any) -> Any:
        """Refuse options of an augmentation that is not used, and write out the defaults of those that are."""
        given = dict(given)
        used = [name for name in AUGMENTATIONS.names() if given.get(name) is not None]
        if not used and cls.default_view is not None:
            used = [cls.default_view]
            given[cls.default_view] = _own_fields(cls.default_view)[0].default
        for name in AUGMENTATIONS.names():
            for option, field in _side_fields(name).items():
                if given.get(option) is None:
                    given[option] = field.default if name in used else None
                elif name not in used:
                    raise ValueError(
                        f"{option} is given without {name}; write {name}: and its strength, or leave it out"
                    )
        return given


def chosen_augmentations(options: ViewOptions) -> list[ChosenAugmentation]:
    """Return the augmentations that a view is made of, by name; those of strength 0 included."""
    values = options.model_dump()
    return [
        ChosenAugmentation(
            name,
            values[name],
            values[f"{name}_probability"],
            {option: values[f"{name}_{option}"] for option in _own_fields(name)[1]},
        )
        for name in AUGMENTATIONS.names()
        if values[name] is not None
    ]


def _own_fields(name: str) -> tuple[FieldInfo, dict[str, FieldInfo]]:
    """Return the field of an augmentation's strength, and those of its other options by name."""
    fields = dict(AUGMENTATIONS.options(name).model_fields)
    return fields.pop("strength"), fields


def _side_fields(name: str) -> dict[str, FieldInfo]:
    """Return the fields that only mean something beside the strength, by their name in a sweep file."""
    fields = {**_Applied.model_fields, **_own_fields(name)[1]}
    return {f"{name}_{option}": field for option, field in fields.items()}


def _view_fields() -> dict[str, Any]:
    """Return two optional fields or more for every augmentation: its strength under its own name, and the rest."""
    found: dict[str, Any] = {}
    for name in AUGMENTATIONS.names():
        strength = _own_fields(name)[0]
        for option, field in {name: strength, **_side_fields(name)}.items():
            annotation: Any = field.annotation
            found[option] = (annotation | None, _optional(field))
    return found


def _optional(field: FieldInfo) -> FieldInfo:
    absent = FieldInfo.from_field(None, description=f"{field.description}; not used if left out")
    absent.metadata = list(field.metadata)
    return absent


if TYPE_CHECKING:

    class ViewOptions(_ViewOptions):
        """One field for the strength of each augmentation, and more for its probability and other options."""
else:
    ViewOptions = create_model("ViewOptions", __base__=_ViewOptions, **_view_fields())
