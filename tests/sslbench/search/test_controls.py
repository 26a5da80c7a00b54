"""The controls that every sweep gets: which, with what, and not twice."""

from __future__ import annotations

from typing import Any

import pytest

from sslbench.errors import ConfigError
from sslbench.search.controls import controls, with_controls
from sslbench.search.spec import SweepSpec, plan_line
from sslbench.search.unlabelled import without_labels

MAE = {"pretext": {"name": "masked"}, "encoder": {"name": "residual_mlp", "width": 32}}
SUPERVISED = {
    "pretext": {"name": "supervised"},
    "encoder": {"name": "mlp"},
    "objective": "val/head/macro_f1",
}


def spec(**changes: Any) -> SweepSpec:
    given = {
        "question": "q",
        "dataset": {"name": "pbmc_cite"},
        "evaluation": [{"name": "knn"}, {"name": "head"}],
        "arms": {"supervised": SUPERVISED, "mae": MAE},
    }
    return SweepSpec.model_validate(given | changes)


def added(asked: SweepSpec) -> list[str]:
    return [name for name, arm in with_controls(asked).arms.items() if arm.is_control]


def test_the_controls_are_the_pretext_tasks_that_say_so() -> None:
    assert controls() == ["majority", "random_init", "shuffled_labels"]


def test_a_sweep_of_labels_gets_them_all_after_its_own_arms_with_one_trial_each() -> None:
    asked = with_controls(spec())
    assert list(asked.arms) == ["supervised", "mae", "majority", "random_init", "shuffled_labels"]
    assert [asked.arms[name].n_trials(asked.budget) for name in controls()] == [1, 1, 1]
    assert "majority 1 (all) · random_init 1 (all) · shuffled_labels 1 (all)" in plan_line(asked)
    for name in controls():
        asked.config(name, {}, seed=0)


def test_the_untrained_encoder_is_that_of_the_first_self_supervised_arm() -> None:
    assert with_controls(spec()).arms["random_init"].encoder == MAE["encoder"]


@pytest.mark.parametrize(
    "arms, encoder",
    [
        ({"supervised": SUPERVISED | {"encoder": {"name": "mlp", "width": 8}}}, {"name": "mlp", "width": 8}),
        ({"regression": {"pretext": {"name": "logistic_regression"}, "encoder": {"name": "identity"}}}, {"name": "mlp"}),
    ],
)  # fmt: skip
def test_without_a_self_supervised_arm_it_is_that_of_a_trained_arm_else_an_mlp(
    arms: dict[str, Any], encoder: dict[str, Any]
) -> None:
    assert with_controls(spec(arms=arms)).arms["random_init"].encoder == encoder


def test_a_control_that_the_file_has_under_any_name_is_not_added_twice() -> None:
    own = {"untrained": {"pretext": {"name": "random_init"}, "encoder": {"name": "mlp"}}}
    asked = with_controls(spec(arms={"mae": MAE, **own}))
    assert [n for n, a in asked.arms.items() if a.pretext["name"] == "random_init"] == ["untrained"]
    assert with_controls(asked) == asked


def test_classifiers_are_judged_by_their_head_which_joins_the_evaluation() -> None:
    asked = with_controls(spec(evaluation=[{"name": "knn"}]))
    assert asked.evaluation == ({"name": "knn"}, {"name": "head"})
    assert asked.arms["majority"].objective == "val/head/macro_f1"
    assert asked.arms["random_init"].objective is None
    assert with_controls(spec()).evaluation == spec().evaluation


def test_another_metric_of_predicted_labels_is_that_of_the_controls() -> None:
    asked = with_controls(spec(objective={"metric": "val/knn/accuracy"}))
    assert asked.arms["shuffled_labels"].objective == "val/head/accuracy"


@pytest.mark.parametrize(
    "metric",
    ["val/reconstruction/explained_variance", "val/integration/total", "val/open_set/auroc"],
)
def test_where_the_objective_is_not_of_predicted_labels_there_is_the_untrained_encoder_alone(
    metric: str,
) -> None:
    task = metric.split("/")[1]
    asked = spec(objective={"metric": metric}, evaluation=[{"name": task}, {"name": "knn"}])
    assert added(asked) == ["random_init"]
    assert with_controls(asked).evaluation == asked.evaluation


def test_cells_without_labels_leave_the_untrained_encoder_alone() -> None:
    asked, _ = without_labels(spec())
    assert added(asked) == ["random_init"]


@pytest.mark.parametrize("metric", ["val/knn_projector/macro_f1", "val/head/macro_f1"])
def test_an_objective_that_needs_more_than_an_encoder_is_replaced_by_the_first_that_does_not(
    metric: str,
) -> None:
    tasks = [{"name": "head"}, {"name": "knn", "of": "projector"}, {"name": "linear_probe"}]
    asked = with_controls(spec(objective={"metric": metric}, evaluation=tasks))
    assert asked.arms["random_init"].objective == "val/linear_probe/macro_f1"


def test_where_no_task_can_score_an_untrained_encoder_there_is_none() -> None:
    asked = spec(objective={"metric": "val/head/macro_f1"}, evaluation=[{"name": "head"}])
    assert added(asked) == ["majority", "shuffled_labels"]


def test_an_arm_that_has_the_name_of_a_control_and_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="'majority' has the name of a control") as caught:
        with_controls(spec(arms={"mae": MAE, "majority": SUPERVISED}))
    assert caught.value.code == "C128"
