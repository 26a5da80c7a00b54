"""What holds for every registered evaluation task, the day its file exists; and the evaluator's self-test.

A task says by its class constants what it needs (`needs_of_arm`, `needs_of_cells`, `trains_encoder`); from them follows
what is asked of it here. `tests/contracts/evaluated_cells.py` has cells with all of it.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from sslbench.config import ComponentOptions
from sslbench.errors import ConfigError, DivergedError, SetupError, SslbenchError
from sslbench.evaluation.base import (
    Embedded,
    Evaluation,
    EvaluationTask,
    Fitted,
    build_evaluation,
)
from sslbench.metrics.classification import macro_f1
from sslbench.metrics.units import N_RESAMPLES, unit_weights
from sslbench.registry import EVALUATIONS, defining_module
from sslbench.results import PROJECTED
from tests.contracts.evaluated_cells import (
    WITHOUT,
    Split,
    alike,
    broken,
    cells_of,
    each,
    flat,
    one_gene_each,
    relabelled,
    shuffled,
    split,
    usual,
)
from tests.factories import embedded_cells

# Tasks that `make check` leaves to `make test`, with the reason.
SLOW = {"scib": "jax compiles its functions anew for every number of cells"}


def parameter(name: str):
    return pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [], id=name)


def every(chosen: Callable[[type[EvaluationTask]], bool] = lambda task: True):
    """Parametrize by the names of the tasks whose class is chosen."""
    names = [n for n in EVALUATIONS.names() if chosen(EVALUATIONS.load(n))]
    return pytest.mark.parametrize("name", [parameter(name) for name in names])


NEEDS_LABELS = every(lambda task: "labels" in task.needs_of_cells)
LEARNS_FROM = {"labels", "modality"}  # of `needs_of_cells`: what a task may be fitted to


def task_of(name: str) -> EvaluationTask:
    try:
        return build_evaluation(name, {})
    except SetupError as missing:
        pytest.skip(str(missing))


def fitted(name: str, train: Embedded, val: Embedded, *, seed: int = 0) -> Fitted:
    return task_of(name).fit(train=train, val=val, generator=np.random.default_rng(seed))


def run(name: str, cells: Split, *, seed: int = 0) -> Evaluation:
    return fitted(name, cells.train, cells.val, seed=seed)(cells.test)


@cache
def honest(name: str) -> tuple[Fitted, Evaluation]:
    """What was fitted on the usual cells, and its evaluation of the test cells."""
    evaluate = fitted(name, usual().train, usual().val)
    return evaluate, evaluate(usual().test)


def ranked(name: str, evaluation: Evaluation) -> float:
    """The ranking score, turned so that higher is better."""
    metric, direction = next(iter(EVALUATIONS.load(name).metrics.items()))
    return evaluation.scores[metric] * (1 if direction == "max" else -1)


def needs(name: str) -> set[str]:
    task = EVALUATIONS.load(name)
    found = {*task.needs_of_arm, *task.needs_of_cells}
    runs_networks = task.trains_encoder or found & {"encoder", "decoder"}
    return found | {"encoder", "networks"} if runs_networks else found


def weights_of(embedded: Embedded) -> dict[str, torch.Tensor]:
    assert embedded.networks is not None
    return {k: v.clone() for k, v in embedded.networks.encoder.state_dict().items()}


# What a task says of itself.


@every()
def test_what_a_task_needs_is_said_in_known_words_that_are_read_without_importing_it(name):
    task = EVALUATIONS.load(name)
    assert issubclass(task, EvaluationTask)
    assert set(task.needs_of_arm) <= {"encoder", "classifier", "decoder"}
    assert set(task.needs_of_cells) <= {"labels", "batches", "modality"}
    for constant in ("needs_of_arm", "needs_of_cells", "confirm_only", "trains_encoder"):
        read = EVALUATIONS.constant(name, constant)
        assert getattr(task, constant) == (
            getattr(EvaluationTask, constant) if read is None else read
        )


@every()
def test_options_read_without_importing_are_those_of_the_module_and_are_documented(name):
    light = EVALUATIONS.options(name)
    imported = defining_module(EVALUATIONS.load(name)).Options
    assert issubclass(light, ComponentOptions)
    assert light.model_json_schema() == imported.model_json_schema()
    assert light.__doc__
    assert all(field.description for field in light.model_fields.values())
    assert EVALUATIONS.summary(name)


@every()
def test_a_task_of_the_encoder_is_the_default_and_no_name_looks_like_one_of_the_projector(name):
    assert task_of(name).of == "encoder"
    assert not name.endswith(PROJECTED)


@every()
def test_cells_or_an_arm_without_what_a_task_needs_are_refused(name):
    for need in needs(name):
        lacking = each(usual(), WITHOUT[need])
        with pytest.raises((SslbenchError, ValueError)) as refused:
            run(name, lacking)
        if need in ("labels", "modality"):
            assert need.removesuffix("s") in str(refused.value)


@every()
def test_what_a_task_does_not_say_that_it_needs_changes_no_score(name):
    bare = usual()
    for need in WITHOUT.keys() - needs(name):
        bare = each(bare, WITHOUT[need])
    assert run(name, bare).scores == pytest.approx(honest(name)[1].scores, abs=1e-12)


# What it returns.


@every()
def test_returned_scores_are_the_declared_metrics_finite_and_in_range(name):
    metrics, scores = EVALUATIONS.load(name).metrics, honest(name)[1].scores
    assert list(scores) == list(metrics)
    assert set(metrics.values()) <= {"max", "min"}
    for metric, score in scores.items():
        assert type(score) is float
        assert math.isfinite(score)
        assert score <= 1 if metrics[metric] == "max" else score >= 0


@every()
def test_predicted_labels_are_of_the_label_set_and_give_the_macro_f1_that_ranks(name):
    found, test = honest(name)[1], usual().test
    if found.predicted is None:
        return
    assert found.predicted.shape == test.label.shape
    assert found.predicted.dtype == np.int64
    assert set(found.predicted.tolist()) <= set(range(4))
    assert next(iter(EVALUATIONS.load(name).metrics)) == "macro_f1"
    assert found.scores["macro_f1"] == macro_f1(
        truth=test.label, predicted=found.predicted, n_labels=4
    )
    assert found.per_unit is None


@every()
def test_the_score_of_a_donor_is_the_ranking_score_of_its_cells_alone(name):
    (evaluate, found), test = honest(name), usual().test
    if found.per_unit is None:
        return
    metric = next(iter(EVALUATIONS.load(name).metrics))
    assert EVALUATIONS.load(name).metrics[metric] == "max"
    donor = cells_of(test).donor
    alone = [evaluate(test.at(np.flatnonzero(donor == d))).scores[metric] for d in np.unique(donor)]
    assert found.per_unit == pytest.approx(alone, abs=1e-6)
    assert len(found.per_unit) == len(unit_weights(donor))
    assert found.unit == "donors"


@every()
def test_the_units_of_a_single_donor_are_resamples_around_the_ranking_score(name):
    (evaluate, found), test = honest(name), usual().test
    if found.per_unit is None:
        return
    one = evaluate(test.at(np.flatnonzero(cells_of(test).donor == "d0")))
    assert one.per_unit is not None
    assert one.per_unit.shape == (N_RESAMPLES,)
    assert one.unit == "cells"
    assert np.isfinite(one.per_unit).all()
    assert abs(one.per_unit.mean() - abs(ranked(name, one))) < 2 * one.per_unit.std()


# What it must not look at.


@every()
def test_the_order_of_scored_cells_changes_nothing(name):
    evaluate, straight = honest(name)
    order = np.random.default_rng(3).permutation(len(usual().test.z))
    turned = evaluate(usual().test.at(order))
    assert turned.scores == pytest.approx(straight.scores, abs=1e-6)
    if straight.predicted is not None:
        assert turned.predicted is not None
        np.testing.assert_array_equal(turned.predicted, straight.predicted[order])
    if straight.per_unit is not None:
        assert turned.per_unit == pytest.approx(straight.per_unit, abs=1e-6)


@every()
def test_the_order_of_training_cells_changes_nothing_unless_the_task_draws_one(name):
    train, val, test = usual()
    if run(name, usual(), seed=1).scores != honest(name)[1].scores:
        return
    order = np.random.default_rng(3).permutation(len(train.z))
    again = run(name, Split(train.at(order), val, test))
    assert again.scores == pytest.approx(honest(name)[1].scores, abs=1e-6)


@every()
def test_other_scored_cells_change_no_prediction_of_a_cell(name):
    evaluate, together = honest(name)
    if together.predicted is None:
        return
    labelled = np.flatnonzero(usual().test.label >= 0)
    for some in (labelled[:1], labelled[1:2], labelled[:20], labelled[::2]):
        alone = evaluate(usual().test.at(some)).predicted
        np.testing.assert_array_equal(alone, together.predicted[some])


@every()
def test_truth_of_scored_cells_changes_no_prediction(name):
    evaluate, told = honest(name)
    test = usual().test
    if told.predicted is not None:
        other = relabelled(test, (np.abs(test.label) + 1) % 4)
        np.testing.assert_array_equal(evaluate(other).predicted, told.predicted)


@every()
def test_scoring_leaves_no_trace_in_what_was_fitted(name):
    evaluate, first = honest(name)
    evaluate(usual().val)
    assert evaluate(usual().test).scores == first.scores


@every()
def test_validation_cells_choose_and_are_not_fitted_on(name):
    """Each validation cell twice: means over them, and what they choose, stay; a fit on them would not."""
    train, val, test = usual()
    doubled = val.at(np.repeat(np.arange(len(val.z)), 2))
    twice = run(name, Split(train, doubled, test))
    assert twice.scores == pytest.approx(honest(name)[1].scores, abs=1e-6)


@NEEDS_LABELS
def test_cells_without_a_label_count_for_nothing(name):
    known = each(usual(), lambda part: part.at(np.flatnonzero(part.label >= 0)))
    assert run(name, known).scores == pytest.approx(honest(name)[1].scores, abs=1e-6)


@every()
def test_the_inputs_are_left_as_they_were(name):
    cells = split(embedded_cells())
    assert cells.train.networks is not None
    encoder = cells.train.networks.encoder.train()
    weights = weights_of(cells.train)
    before = [(part.z.copy(), part.label.copy()) for part in cells]
    run(name, cells)
    for (z, label), part in zip(before, cells, strict=True):
        np.testing.assert_array_equal(part.z, z)
        np.testing.assert_array_equal(part.label, label)
        np.testing.assert_array_equal(cells_of(part).label, label)
    torch.testing.assert_close(weights_of(cells.train), weights, rtol=0, atol=0)
    assert encoder.training
    assert all(parameter.grad is None for parameter in encoder.parameters())


@every()
def test_the_same_generator_gives_the_same_scores_whatever_the_global_streams_are(name):
    with torch.random.fork_rng():
        torch.manual_seed(123)
        state, n_threads = torch.get_rng_state(), torch.get_num_threads()
        again = run(name, usual())
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.get_num_threads() == n_threads
    assert again.scores == honest(name)[1].scores


# Self-test: an evaluator that fails these would flatter or punish every method alike.


@every()
def test_what_is_not_finite_is_never_scored(name):
    cells = split(embedded_cells())
    assert cells.train.networks is not None
    with torch.no_grad():
        for weight in cells.train.networks.encoder.parameters():
            weight.fill_(torch.nan)
    with pytest.raises(DivergedError):
        run(name, each(cells, broken))
    if not EVALUATIONS.load(name).trains_encoder:  # else what is scored is made anew
        with pytest.raises(DivergedError):
            honest(name)[0](broken(usual().test))


@every(lambda task: bool(LEARNS_FROM & set(task.needs_of_cells)))
def test_what_was_learnt_from_shuffled_cells_scores_within_the_permutation_distribution_of_chance(
    name,
):
    """Chance: the same predictions against permuted truths. Several shuffles average out a lucky one."""
    what = next(iter(LEARNS_FROM & set(EVALUATIONS.load(name).needs_of_cells)))
    random = np.random.default_rng(11)
    train, val, test = usual()
    best = ranked(name, honest(name)[1])
    seen, chance = [], []
    for _ in range(4 if EVALUATIONS.load(name).confirm_only else 20):
        evaluate = fitted(name, shuffled(train, what, random), shuffled(val, what, random))
        seen.append(ranked(name, evaluate(test)))
        chance.append(ranked(name, evaluate(shuffled(test, what, random))))
        if seen == [best]:  # nothing was learnt from them
            break
    assert best > max(chance)
    if seen != [best]:
        spread = math.sqrt((np.var(seen) + np.var(chance)) / len(seen))
        assert abs(np.mean(seen) - np.mean(chance)) < 4 * spread
        assert best > max(seen)


@every()
def test_an_arm_that_tells_no_cells_apart_scores_worse_and_no_better_than_a_constant(name):
    task = EVALUATIONS.load(name)
    embeds_anew = task.trains_encoder or "encoder" in task.needs_of_arm
    cells = alike() if embeds_anew else each(usual(), flat)
    try:
        found = run(name, cells)
    except DivergedError:
        return
    assert all(map(math.isfinite, found.scores.values()))
    assert ranked(name, found) < ranked(name, honest(name)[1])
    if found.predicted is not None:
        truth = cells.test.label[cells.test.label >= 0]
        share = np.bincount(truth).max() / len(truth)
        assert len(np.unique(found.predicted)) == 1
        assert found.scores["macro_f1"] <= 2 * share / (1 + share) / 4 + 1e-12


@every()
def test_types_that_are_told_apart_by_a_single_gene_each_are_all_predicted(name):
    if honest(name)[1].predicted is None:
        return
    told = split(embedded_cells())
    found = run(name, each(told, one_gene_each))
    assert found.scores["macro_f1"] == 1


# Tasks that can score the projector.

OF_PROJECTOR = pytest.mark.parametrize(
    "name", [n for n in EVALUATIONS.names() if "of" in EVALUATIONS.options(n).model_fields]
)


@OF_PROJECTOR
def test_a_task_of_the_projector_sees_its_output_and_nothing_of_z(name):
    def hidden(cells: Embedded) -> Embedded:
        noise = np.random.default_rng(9).normal(size=(len(cells.z), 3)).astype(np.float32)
        return replace(cells, z=noise, projected=cells.z)

    train, val, test = each(usual(), hidden)
    task = build_evaluation(name, {"of": "projector"})
    found = task.fit(train=train, val=val, generator=np.random.default_rng(0))(test)
    assert task.of == "projector"
    assert found.scores == honest(name)[1].scores


@OF_PROJECTOR
def test_a_task_of_the_projector_refuses_an_arm_without_one(name):
    task = build_evaluation(name, {"of": "projector"})
    train, val, test = each(usual(), WITHOUT["projector"])
    with pytest.raises(ConfigError, match="no projector"):
        task.fit(train=train, val=val, generator=np.random.default_rng(0))(test)


def test_knn_gives_cells_that_are_all_alike_the_commonest_training_label():
    found = run("knn", each(usual(), flat))
    label = usual().train.label
    assert found.predicted is not None
    assert set(found.predicted.tolist()) == {np.bincount(label[label >= 0]).argmax()}
