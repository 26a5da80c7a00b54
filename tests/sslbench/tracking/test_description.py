from __future__ import annotations

from typing import Any

from sslbench.tracking.description import (
    MAX_PARAMS,
    planned_tags,
    run_name,
    run_params,
    shown_values,
)
from tests.sslbench.tracking.fake_ledger import job_of


def with_params(params: dict[str, Any]) -> str:
    return run_name(job_of().model_copy(update={"params": params}), order=6)


def test_a_name_begins_with_the_arm_and_shows_what_was_searched() -> None:
    params = {"pretext/mask": "random", "pretext/mask_rate": 0.4512}
    assert with_params(params) == "mae/mlp random 0.45 #6"


def test_a_bare_yes_or_no_is_named() -> None:
    assert with_params({"encoder/norm": True, "encoder/depth": 2}) == "mae/mlp norm=True 2 #6"


def test_a_long_name_keeps_its_number() -> None:
    params = {"a/b": "x" * 100}
    assert with_params(params).endswith("x #6")
    assert len(with_params(params)) <= 65


def test_at_most_four_searched_values_are_shown() -> None:
    assert with_params({f"a/{i}": i for i in range(9)}) == "mae/mlp 0 1 2 3 #6"


def test_searched_parameters_are_kept_when_there_are_too_many() -> None:
    job = job_of()
    many = {f"pretext/option_{i:03d}": i for i in range(60)} | {"pretext/name": "x"}
    searched = {"training/weight_decay": 0.01}
    crowded = job.model_copy(update={"params": searched, "config": FlatConfig(many | searched)})
    shown = run_params(crowded)
    assert len(shown) == MAX_PARAMS
    assert shown["training/weight_decay"] == "0.01"


def test_test_scores_are_shown_only_of_confirm_runs() -> None:
    values = {"val/knn/macro_f1": 0.5, "train/pretext/loss": 1.0, "test/knn/macro_f1": 0.4}
    assert set(shown_values(values, stage="search")) == {"val/knn/macro_f1", "train/pretext/loss"}
    assert shown_values(values, stage="confirm") == values


class FlatConfig:
    """Stands in for a configuration with many options."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def flat(self) -> dict[str, Any]:
        return self._values


def test_the_scenario_is_that_of_the_trial() -> None:
    job = job_of()
    assert planned_tags(job)["sslbench.scenario"] == "in_data"
    elsewhere = job.config.model_copy(update={"scenario": "zero_shot", "corpus": ("kang18",)})
    tags = planned_tags(job.model_copy(update={"config": elsewhere}))
    assert tags["sslbench.scenario"] == "zero_shot"
