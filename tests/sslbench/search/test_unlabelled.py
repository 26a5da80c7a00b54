"""Cells without labels: arms and tasks that need them go, the others are ranked by reconstruction."""

import pytest

from sslbench.errors import ConfigError
from sslbench.search.spec import SweepSpec
from sslbench.search.unlabelled import OBJECTIVE, without_labels

MAE = {"pretext": {"name": "masked"}, "encoder": {"name": "mlp"}}
SUPERVISED = {
    "pretext": {"name": "supervised"},
    "encoder": {"name": "mlp"},
    "objective": "val/head/macro_f1",
}


def spec(**changes):
    given = {
        "question": "q",
        "dataset": {"name": "kang18"},
        "evaluation": [{"name": "knn"}, {"name": "head"}],
        "label_fractions": [0.5],
        "arms": {"mae": MAE, "supervised": SUPERVISED},
    }
    return SweepSpec.model_validate(given | changes)


def test_what_needs_labels_goes_and_reconstruction_chooses() -> None:
    asked, left_out = without_labels(spec())
    assert left_out == ("supervised", "knn", "head")
    assert list(asked.arms) == ["mae"]
    assert asked.evaluation == ({"name": "reconstruction"},)
    config = asked.config("mae", {}, seed=0)
    assert config.objective == OBJECTIVE
    assert config.label_fractions == ()


def test_an_objective_that_needs_no_labels_stays() -> None:
    objective = {"metric": "val/cross_modality/pearson_per_feature"}
    asked, _ = without_labels(spec(objective=objective, evaluation=[{"name": "cross_modality"}]))
    assert asked.objective.metric == objective["metric"]
    assert asked.evaluation == ({"name": "cross_modality"},)


def test_an_arm_s_own_objective_goes_with_its_task() -> None:
    asked, _ = without_labels(spec(arms={"mae": MAE | {"objective": "val/knn/macro_f1"}}))
    assert asked.config("mae", {}, seed=0).objective == OBJECTIVE


def test_a_sweep_of_supervised_arms_alone_is_refused() -> None:
    with pytest.raises(ConfigError, match="every arm learns from labels") as caught:
        without_labels(spec(arms={"supervised": SUPERVISED}))
    assert caught.value.code == "C124"
