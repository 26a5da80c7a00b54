"""A sweep on cells without labels: what can still be asked of them, and what cannot be ranked."""

from __future__ import annotations

from sslbench.errors import ConfigError
from sslbench.registry import EVALUATIONS, PRETEXTS
from sslbench.results import MetricKey
from sslbench.search.spec import Arm, ObjectiveChoice, SweepSpec

OBJECTIVE = "val/reconstruction/explained_variance"  # how much of unseen cells the embedding keeps


def without_labels(spec: SweepSpec) -> tuple[SweepSpec, tuple[str, ...]]:
    """Return the sweep as unlabelled cells allow it, and the names of what was left out of it.

    Arms that learn from labels and evaluation tasks that need them go. If the objective goes with them, recipes are
    chosen by reconstruction instead: expression of validation cells explained by ridge regression from z.

    Raises
    ------
    ConfigError
        C124 if no arm is left.
    """
    arms = {name: arm for name, arm in spec.arms.items() if not _learns_from_labels(arm)}
    if not arms:
        raise ConfigError(
            f"every arm learns from labels, and {spec.dataset.name} has none",
            code="C124",
            fix="add an arm that does not, such as `mae: {pretext: {name: masked}, encoder: {name: mlp}}`",
        )
    tasks = [dict(task) for task in spec.evaluation if not _needs_labels(task["name"])]
    left_out = [name for name in spec.arms if name not in arms]
    left_out += [task["name"] for task in spec.evaluation if _needs_labels(task["name"])]
    objective = spec.objective
    if _needs_labels(MetricKey.parse(objective.metric).evaluation):
        objective = ObjectiveChoice.model_validate({"metric": OBJECTIVE})
        name = MetricKey.parse(OBJECTIVE).evaluation
        tasks += [] if name in {task["name"] for task in tasks} else [{"name": name}]
    asked = {
        "arms": {name: _judged_by(arm, objective) for name, arm in arms.items()},
        "evaluation": tuple(tasks),
        "objective": objective,
        "label_fraction": 1.0,
        "label_fractions": (),
        "retune": False,
    }
    return spec.model_copy(update=asked), tuple(left_out)


def _judged_by(arm: Arm, objective: ObjectiveChoice) -> Arm:
    own = arm.objective
    if own is None or not _needs_labels(MetricKey.parse(own).evaluation):
        return arm
    return arm.model_copy(update={"objective": objective.metric})


def _learns_from_labels(arm: Arm) -> bool:
    return bool(PRETEXTS.constant(arm.pretext["name"], "sees_labels"))


def _needs_labels(task: str) -> bool:
    return "labels" in EVALUATIONS.constant(task, "needs_of_cells")
