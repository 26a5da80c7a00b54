"""What holds for every registered evaluation task, the day its file exists; and the evaluator's self-test."""

import math
from dataclasses import replace

import numpy as np
import pytest

from sslbench.config import ComponentOptions
from sslbench.errors import ConfigError, DivergedError
from sslbench.evaluation.base import (
    Embedded,
    Evaluation,
    EvaluationTask,
    Fitted,
    build_evaluation,
)
from sslbench.registry import EVALUATIONS, defining_module
from sslbench.results import PROJECTED

NAMES = ("rare", "common", "usual", "seldom")
PREDICTING = pytest.mark.parametrize("name", EVALUATIONS.names())


def embedded(seed: int, n_cells: int = 120, spread: float = 1.0) -> Embedded:
    """Four overlapping types in eight dimensions, a tenth unlabelled, with logits of a noisy classifier."""
    centres = 1.2 * np.random.default_rng(7).normal(size=(len(NAMES), 8))
    random = np.random.default_rng(seed)
    kind = random.choice(len(NAMES), size=n_cells, p=[0.1, 0.4, 0.3, 0.2])
    z = (centres[kind] + spread * random.normal(size=(n_cells, 8))).astype(np.float32)
    label = np.where(random.random(n_cells) < 0.1, -1, kind)
    logits = np.eye(len(NAMES))[kind] + random.normal(size=(n_cells, len(NAMES)))
    return Embedded(z=z, label=label, label_names=NAMES, logits=logits.astype(np.float32))


def picked(cells: Embedded, index: np.ndarray) -> Embedded:
    assert cells.logits is not None
    return replace(cells, z=cells.z[index], label=cells.label[index], logits=cells.logits[index])


def run(name: str, *, fit_on: Embedded, score_on: Embedded, seed: int = 0) -> Evaluation:
    return fitted(build_evaluation(name, {}), fit_on, seed=seed)(score_on)


def fitted(task: EvaluationTask, train: Embedded, seed: int = 0) -> Fitted:
    return task.fit(train=train, val=embedded(2), generator=np.random.default_rng(seed))


def predictions(evaluation: Evaluation) -> np.ndarray:
    assert evaluation.predicted is not None
    return evaluation.predicted


@PREDICTING
def test_returned_scores_are_the_declared_metrics_finite_and_in_range(name):
    task_class = EVALUATIONS.load(name)
    scores = run(name, fit_on=embedded(0), score_on=embedded(1)).scores
    assert issubclass(task_class, EvaluationTask)
    assert list(scores) == list(task_class.metrics)
    assert set(task_class.metrics.values()) <= {"max", "min"}
    assert all(math.isfinite(s) and 0 <= s <= 1 for s in scores.values())


@PREDICTING
def test_macro_f1_ranks_cell_type_prediction(name):
    assert next(iter(EVALUATIONS.load(name).metrics)) == "macro_f1"


@PREDICTING
def test_every_scored_cell_gets_a_label_of_the_label_set(name):
    predicted = predictions(run(name, fit_on=embedded(0), score_on=embedded(1)))
    assert predicted.shape == (120,)
    assert predicted.dtype == np.int64
    assert set(predicted.tolist()) <= set(range(len(NAMES)))


@PREDICTING
def test_the_order_of_scored_cells_changes_nothing(name):
    train, cells = embedded(0), embedded(1)
    order = np.random.default_rng(3).permutation(120)
    straight = run(name, fit_on=train, score_on=cells)
    shuffled = run(name, fit_on=train, score_on=picked(cells, order))
    np.testing.assert_array_equal(predictions(shuffled), predictions(straight)[order])
    assert shuffled.scores == pytest.approx(straight.scores, abs=1e-12)


@PREDICTING
def test_the_order_of_training_cells_changes_nothing(name):
    train, cells = embedded(0), embedded(1)
    order = np.random.default_rng(3).permutation(120)
    np.testing.assert_array_equal(
        predictions(run(name, fit_on=picked(train, order), score_on=cells)),
        predictions(run(name, fit_on=train, score_on=cells)),
    )


@PREDICTING
def test_labels_of_scored_cells_change_no_prediction(name):
    train, cells = embedded(0), embedded(1)
    other = replace(cells, label=(np.abs(cells.label) + 1) % len(NAMES))
    np.testing.assert_array_equal(
        predictions(run(name, fit_on=train, score_on=other)),
        predictions(run(name, fit_on=train, score_on=cells)),
    )


@PREDICTING
def test_other_scored_cells_change_no_prediction_of_a_cell(name):
    train, cells = embedded(0), embedded(1)
    labelled = np.flatnonzero(cells.label >= 0)[:5]
    alone = [
        predictions(run(name, fit_on=train, score_on=picked(cells, labelled[i : i + 1])))[0]
        for i in range(5)
    ]
    together = predictions(run(name, fit_on=train, score_on=cells))[labelled]
    np.testing.assert_array_equal(alone, together)


@PREDICTING
def test_the_inputs_are_left_as_they_were(name):
    train, cells = embedded(0), embedded(1)
    before = [train.z.copy(), train.label.copy(), cells.z.copy(), cells.label.copy()]
    run(name, fit_on=train, score_on=cells)
    for was, now in zip(before, [train.z, train.label, cells.z, cells.label], strict=True):
        np.testing.assert_array_equal(was, now)


@PREDICTING
def test_the_same_generator_gives_the_same_scores(name):
    train, cells = embedded(0), embedded(1)
    first = run(name, fit_on=train, score_on=cells, seed=4)
    again = run(name, fit_on=train, score_on=cells, seed=4)
    assert first.scores == again.scores


@PREDICTING
def test_an_embedding_that_is_not_finite_is_never_scored(name):
    cells = embedded(1)
    assert cells.logits is not None
    z, logits = cells.z.copy(), cells.logits.copy()
    z[3, 2], logits[3, 2] = np.inf, np.nan
    with pytest.raises(DivergedError):
        run(name, fit_on=embedded(0), score_on=replace(cells, z=z, logits=logits))


@PREDICTING
def test_options_read_without_importing_are_those_of_the_module_and_are_documented(name):
    light = EVALUATIONS.options(name)
    imported = defining_module(EVALUATIONS.load(name)).Options
    assert issubclass(light, ComponentOptions)
    assert light.model_json_schema() == imported.model_json_schema()
    assert light.__doc__
    assert all(field.description for field in light.model_fields.values())
    assert EVALUATIONS.summary(name)


OF_PROJECTOR = pytest.mark.parametrize(
    "name", [n for n in EVALUATIONS.names() if "of" in EVALUATIONS.options(n).model_fields]
)


@OF_PROJECTOR
def test_a_task_of_the_projector_sees_its_output_and_nothing_of_z(name):
    def hidden(cells: Embedded) -> Embedded:
        noise = np.random.default_rng(9).normal(size=(len(cells.z), 3)).astype(np.float32)
        return replace(cells, z=noise, projected=cells.z)

    train, cells = embedded(0), embedded(1)
    task = build_evaluation(name, {"of": "projector"})
    found = fitted(task, hidden(train))(hidden(cells))
    assert task.of == "projector"
    np.testing.assert_array_equal(
        predictions(found), predictions(run(name, fit_on=train, score_on=cells))
    )


@OF_PROJECTOR
def test_a_task_of_the_projector_refuses_an_arm_without_one(name):
    task = build_evaluation(name, {"of": "projector"})
    with pytest.raises(ConfigError, match="no projector"):
        fitted(task, embedded(0))(embedded(1))


@PREDICTING
def test_a_task_of_the_encoder_is_the_default_and_no_name_looks_like_one_of_the_projector(name):
    assert build_evaluation(name, {}).of == "encoder"
    assert not name.endswith(PROJECTED)


# Self-test: an evaluator that fails these would flatter or punish every method alike.

FITTING = pytest.mark.parametrize(
    "name", [n for n in EVALUATIONS.names() if not EVALUATIONS.load(n).needs_of_arm]
)


@PREDICTING
def test_the_labels_as_embedding_score_one(name):
    def told(cells: Embedded) -> Embedded:
        truth = np.eye(len(NAMES), dtype=np.float32)[cells.label]
        return replace(cells, z=truth, logits=truth)

    scores = run(name, fit_on=told(embedded(0)), score_on=told(embedded(1))).scores
    assert scores == dict.fromkeys(scores, 1.0)


@FITTING
def test_shuffled_training_labels_score_within_the_permutation_distribution_of_chance(name):
    """Chance: the same predictions against permuted truths. Thirty shuffles average out a lucky one."""
    train, cells = embedded(0), embedded(1)
    random = np.random.default_rng(11)
    seen, chance = [], []
    for _ in range(30):
        shuffled = replace(train, label=random.permutation(train.label))
        found = run(name, fit_on=shuffled, score_on=cells)
        seen.append(found.scores["macro_f1"])
        permuted = replace(cells, label=random.permutation(cells.label))
        chance.append(run(name, fit_on=shuffled, score_on=permuted).scores["macro_f1"])
    spread = np.std(chance) * math.sqrt(2 / 30)
    assert abs(np.mean(seen) - np.mean(chance)) < 4 * spread
    honest = run(name, fit_on=train, score_on=cells).scores["macro_f1"]
    assert honest > max(chance)


@FITTING
def test_an_embedding_that_is_the_same_for_all_cells_scores_no_better_than_the_majority(name):
    train, cells = embedded(0), embedded(1)
    flat = {"z": np.full((120, 8), 0.37, dtype=np.float32)}
    found = run(name, fit_on=replace(train, **flat), score_on=replace(cells, **flat))
    truth = cells.label[cells.label >= 0]
    share = np.bincount(truth).max() / len(truth)
    assert len(np.unique(predictions(found))) == 1
    assert found.scores["accuracy"] <= share
    assert found.scores["balanced_accuracy"] == pytest.approx(1 / len(NAMES))
    assert found.scores["macro_f1"] <= 2 * share / (1 + share) / len(NAMES) + 1e-12


def test_knn_gives_cells_that_are_all_alike_the_commonest_training_label():
    train, cells = embedded(0), embedded(1)
    flat = {"z": np.full((120, 8), 0.37, dtype=np.float32)}
    found = run("knn", fit_on=replace(train, **flat), score_on=replace(cells, **flat))
    commonest = np.bincount(train.label[train.label >= 0]).argmax()
    assert set(predictions(found).tolist()) == {commonest}


@FITTING
def test_training_cells_without_a_label_are_an_error(name):
    train = embedded(0)
    with pytest.raises(ValueError, match="labelled"):
        run(name, fit_on=replace(train, label=np.full(120, -1)), score_on=embedded(1))
