"""Where encoders may learn and which labels exist: what a sweep file says of it must go together. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sslbench.data.catalogue import load_dataset
from sslbench.errors import ConfigError
from sslbench.registry import EVALUATIONS, PRETEXTS
from sslbench.results import suffix_at
from sslbench.strict_yaml import YamlDocument

if TYPE_CHECKING:
    from sslbench.search.spec import SweepSpec


def check_scenario(spec: SweepSpec, document: YamlDocument) -> None:
    """Raise ConfigError with its line for the first contradiction between scenario, corpus, arms and tasks."""
    _check_corpus(spec, document)
    for name in spec.arms:
        _check_arm(spec, name, document)
    for i, given in enumerate(spec.evaluation):
        if spec.scenario == "zero_shot" and EVALUATIONS.constant(given["name"], "trains_encoder"):
            raise ConfigError(
                f"the evaluation task {given['name']!r} trains the encoder on the target: not zero_shot",
                code="C122",
                where=document.where(("evaluation", i)),
                fix="leave it out, or ask `scenario: transfer`",
            )
    _check_fractions(spec, document)


def _check_corpus(spec: SweepSpec, document: YamlDocument) -> None:
    if spec.scenario == "in_data" and spec.corpus:
        raise ConfigError(
            "a corpus is pretrained on under `scenario: transfer` or `zero_shot`",
            code="C120",
            where=document.where(("corpus",)),
            fix="add the scenario, or leave `corpus` out",
        )
    if spec.scenario == "in_data":
        return
    if not spec.corpus:
        raise ConfigError(
            f"scenario {spec.scenario!r} needs a corpus without the target's cells",
            code="C120",
            where=document.where(("scenario",)),
            fix="corpus: [kang18]",
        )
    if len(set(spec.corpus)) < len(spec.corpus):
        raise ConfigError(
            "a data set is named twice in `corpus`: its cells would count twice",
            code="C120",
            where=document.where(("corpus",)),
            fix="name each once",
        )
    for i, name in enumerate(spec.corpus):
        try:
            load_dataset(name)
        except ConfigError as error:
            error.where = document.where(("corpus", i))
            raise
    if not any(spec.learns_from_corpus(arm) for arm in spec.arms):
        raise ConfigError(
            "no arm learns from the corpus",
            code="C120",
            where=document.where(("corpus",)),
            fix="give an arm `pretrain_on: corpus`",
        )


def _check_arm(spec: SweepSpec, name: str, document: YamlDocument) -> None:
    chosen = spec.arms[name]
    blind = chosen.regime == "self-supervised"
    if spec.scenario == "zero_shot" and blind and not spec.learns_from_corpus(name):
        raise ConfigError(
            f"arm {name!r} is pretrained on the target: not zero_shot",
            code="C122",
            where=document.where(("arms", name, "pretrain_on")),
            fix="leave pretrain_on out, or ask `scenario: transfer`",
        )
    if spec.arms[name].label_fraction is not None:
        raise ConfigError(
            f"arm {name!r} has labels of its own: all arms learn from the same",
            code="C123",
            where=document.where(("arms", name, "label_fraction")),
            fix="label_fraction, or label_fractions and `retune: true`, of the whole sweep",
        )
    if not spec.learns_from_corpus(name):
        return
    if not spec.corpus:
        raise ConfigError(
            f"arm {name!r} learns from a corpus, and the sweep has none",
            code="C121",
            where=document.where(("arms", name, "pretrain_on")),
            fix="add `scenario: transfer` and `corpus: […]`",
        )
    if PRETEXTS.constant(spec.arms[name].pretext["name"], "sees_labels"):
        raise ConfigError(
            f"arm {name!r} learns from labels, and a corpus has none",
            code="C121",
            where=document.where(("arms", name, "pretrain_on")),
            fix="pretrain_on: target",
        )


def _check_fractions(spec: SweepSpec, document: YamlDocument) -> None:
    asked = spec.label_fractions
    fits = all(0 < f < spec.label_fraction and abs(100 * f - round(100 * f)) < 1e-9 for f in asked)
    if not fits or len(set(asked)) != len(asked):
        raise ConfigError(
            "label_fractions are distinct whole percents between 0 and label_fraction",
            code="C123",
            where=document.where(("label_fractions",)),
            found=", ".join(map(str, asked)),
            fix="label_fractions: [0.05, 0.25, 0.5]",
        )
    taken = {name + suffix_at(f) for name in spec.arms for f in asked} & set(spec.arms)
    if spec.retune and taken:
        raise ConfigError(
            f"an arm has the name {sorted(taken)[0]!r}, which `retune` gives to a copy",
            code="C123",
            where=document.where(("arms", sorted(taken)[0])),
            fix="another name",
        )
    if spec.retune and not asked:
        raise ConfigError(
            "retune searches anew at each of label_fractions, and there are none",
            code="C123",
            where=document.where(("retune",)),
            fix="label_fractions: [0.05, 0.25, 0.5]",
        )
