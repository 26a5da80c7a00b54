"""One arm's search: repeatable, never twice the same, and told how every trial ended."""

import math
import warnings

import numpy as np
import optuna
import pytest

from sslbench.config import canonical_json
from sslbench.results import CurvePoint, Failure, TrialRecord
from sslbench.search.space import Parameter, all_params
from sslbench.search.study import ArmStudy

OBJECTIVE = "val/knn/macro_f1"
PLANE = {
    "training/learning_rate": Parameter.model_validate({"log_float": [1e-4, 1e-1]}),
    "encoder/dropout": Parameter.model_validate({"float": [0.0, 1.0]}),
}
MIXED = {
    "pretext/mask": Parameter.model_validate({"choice": ["random", "none"]}),
    "pretext/mask_rate": Parameter.model_validate(
        {"float": [0.1, 0.9], "when": {"pretext/mask": ["random"]}}
    ),
    "encoder/depth": Parameter.model_validate({"int": [1, 4]}),
}
GRID = {
    "a": Parameter.model_validate({"choice": ["x", "y", None]}),
    "b": Parameter.model_validate({"int": [1, 3], "when": {"a": ["y"]}}),
}


def record(params, *values, outcome="finished", kind="diverged"):
    failure = Failure(kind=kind, message="nan") if outcome == "failed" else None
    curve = tuple(
        CurvePoint(updates=i + 1, seconds=0, unix_ms=0, values={OBJECTIVE: v})
        for i, v in enumerate(values)
    )
    return TrialRecord(
        uid=canonical_json(params),
        arm="mae",
        stage="search",
        attempt=1,
        outcome=outcome,
        params=params,
        config={},
        recipe="",
        dataset="",
        data_fingerprint="",
        objective=OBJECTIVE,
        objective_value=max(values, default=None),
        failure=failure,
        curve=curve,
        provenance={},
        started_unix_ms=0,
        ended_unix_ms=0,
    )


def study(space=MIXED, *, n_trials=30, seed=0, arm="mae", default=None):
    return ArmStudy(arm, space, n_trials=n_trials, seed=seed, default=default)


def value_of(params):
    """An analytic objective with its best at mask random, rate 0.5, depth 2."""
    rate = params.get("pretext/mask_rate", 0.1)
    return 1 - (rate - 0.5) ** 2 - 0.1 * abs(params["encoder/depth"] - 2)


def searched(one, n, *, value=value_of):
    asked = []
    for _ in range(n):
        params = one.ask()
        asked.append(params)
        one.tell(params, record(params, value(params)))
    return asked


def test_two_studies_of_one_seed_ask_for_the_same():
    assert searched(study(), 15) == searched(study(), 15)


@pytest.mark.parametrize("other", [{"seed": 1}, {"arm": "other"}])
def test_another_seed_or_arm_asks_for_something_else(other):
    assert searched(study(), 3) != searched(study(**other), 3)


@pytest.mark.parametrize("n_before", range(0, 18, 3))
def test_a_study_refilled_from_records_goes_on_as_if_it_had_never_stopped(n_before):
    straight = searched(study(), 20)
    refilled = study()
    for params in straight[:n_before]:
        refilled.remember(params, record(params, value_of(params)))
    assert searched(refilled, 20 - n_before) == straight[n_before:]


def test_a_study_refilled_with_running_stopped_and_failed_trials_goes_on_the_same():
    live, refilled = study(), study()
    history = []
    for i in range(12):
        params = live.ask()
        outcome = ("finished", "stopped", "failed", "running")[i % 4]
        history.append((params, outcome))
        if outcome != "running":
            live.tell(params, record(params, value_of(params), outcome=outcome))
    for params, outcome in history:
        if outcome == "running":
            refilled.resume(params)
        else:
            refilled.remember(params, record(params, value_of(params), outcome=outcome))
    assert [live.ask() for _ in range(4)] == [refilled.ask() for _ in range(4)]


def test_a_resumed_trial_can_be_told():
    one = study()
    params = one.ask()
    again = study()
    again.resume(params)
    again.tell(params, record(params, 0.5))
    assert again.n_known == 1


def test_the_same_params_are_never_asked_for_twice():
    one = study({"encoder/depth": Parameter.model_validate({"int": [1, 40]})}, n_trials=39)
    asked = searched(one, 39, value=lambda params: -abs(params["encoder/depth"] - 20))
    assert len({canonical_json(params) for params in asked}) == 39


def test_params_that_were_remembered_or_resumed_are_not_asked_for_again():
    values = Parameter.model_validate({"choice": list(range(12))})
    one = study({"encoder/depth": values}, n_trials=11)
    known = [{"encoder/depth": i} for i in range(6)]
    for params in known[:3]:
        one.remember(params, record(params, 0.5))
    for params in known[3:]:
        one.resume(params)
    asked = [one.ask() for _ in range(5)]
    assert len({canonical_json(p) for p in [*known, *asked]}) == 11
    assert one.ask() is None


@pytest.mark.parametrize("n_trials", [5, 6, 100])
def test_a_space_no_larger_than_the_budget_is_asked_for_exactly_once(n_trials):
    one = study(GRID, n_trials=n_trials)
    asked = []
    while (params := one.ask()) is not None:
        asked.append(params)
    assert asked == list(all_params(GRID))
    assert one.ask() is None
    assert one.is_spent()


def test_a_space_larger_than_the_budget_gives_the_whole_budget_whatever_the_sampler_likes():
    one = study(GRID, n_trials=4)
    asked = searched(one, 4, value=lambda params: float(params["a"] == "x"))
    assert len({canonical_json(params) for params in asked}) == 4
    assert one.is_spent()
    assert one.ask() is None


def test_a_sampler_that_insists_on_the_exhausted_part_of_a_space_does_not_end_the_search():
    one = study(n_trials=40)
    asked = searched(one, 40, value=lambda params: float(params["pretext/mask"] == "none"))
    assert len({canonical_json(params) for params in asked}) == 40


DEFAULT = {"pretext/mask": "random", "pretext/mask_rate": 0.5, "encoder/depth": 2}


@pytest.mark.parametrize("n_before", [0, 1, 2, 7])
def test_the_default_is_asked_for_first_and_the_search_goes_on_the_same_after_a_restart(n_before):
    straight = searched(study(default=DEFAULT), 12)
    assert straight[0] == DEFAULT
    refilled = study(default=DEFAULT)
    for params in straight[:n_before]:
        refilled.remember(params, record(params, value_of(params)))
    assert searched(refilled, 12 - n_before) == straight[n_before:]


def test_a_ledger_that_began_otherwise_gets_its_default_next_within_the_same_budget():
    earlier = searched(study(n_trials=6), 3)
    one = study(n_trials=6, default=DEFAULT)
    for params in earlier:
        one.remember(params, record(params, value_of(params)))
    asked = searched(one, 3)
    assert asked[0] == DEFAULT
    assert DEFAULT not in asked[1:]
    assert one.ask() is None


def test_of_a_space_tried_whole_the_default_comes_first_and_once():
    default = {"a": "y", "b": 2}
    one = study(GRID, n_trials=10, default=default)
    asked = list(iter(one.ask, None))
    assert asked == [default, *(params for params in all_params(GRID) if params != default)]


def test_an_arm_that_searches_nothing_has_one_trial():
    one = study({}, n_trials=8)
    assert one.ask() == {}
    assert one.ask() is None


@pytest.mark.parametrize(
    "outcome, state", [("finished", "COMPLETE"), ("stopped", "PRUNED"), ("failed", "FAIL")]
)
@pytest.mark.parametrize("live", [True, False])
def test_optuna_hears_how_a_trial_ended(outcome, state, live):
    one = study()
    params = one.ask() if live else {"pretext/mask": "none", "encoder/depth": 2}
    ended = record(params, 0.2, 0.4, outcome=outcome)
    one.tell(params, ended) if live else one.remember(params, ended)
    trial = one._study.trials[-1]
    assert trial.state.name == state
    assert trial.params == params
    if outcome == "finished":
        assert trial.value == 0.4
    assert trial.intermediate_values == ({} if outcome == "failed" else {1: 0.2, 2: 0.4})


def test_a_running_trial_is_known_to_the_sampler():
    one = study()
    params = one.ask()
    running = [t for t in one._study.trials if t.state == optuna.trial.TrialState.RUNNING]
    assert [trial.params for trial in running] == [params]


def test_only_running_and_ended_trials_count_as_asked_for():
    one = study()
    searched(one, 5)
    n_real = sum(
        t.state != optuna.trial.TrialState.FAIL for t in one._study.get_trials(deepcopy=False)
    )
    assert n_real == one.n_known == 5


def test_searching_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        searched(study(), 12)


def on_the_plane(params):
    """A narrow peak at learning rate 1e-2 and dropout 0.2."""
    distance = (math.log10(params["training/learning_rate"]) + 2) / 3
    return 1 - distance**2 - (params["encoder/dropout"] - 0.2) ** 2


def test_what_is_told_guides_the_search():
    """TPE must come closer to the peak than as many uniform draws, on average over ten seeds."""
    told, drawn = [], []
    for seed in range(10):
        asked = searched(study(PLANE, n_trials=40, seed=seed), 40, value=on_the_plane)
        told.append(np.mean([on_the_plane(params) for params in asked[20:]]))
        random = np.random.default_rng(seed)
        uniform = [
            {
                "training/learning_rate": 10 ** random.uniform(-4, -1),
                "encoder/dropout": random.uniform(),
            }
            for _ in range(20)
        ]
        drawn.append(np.mean([on_the_plane(params) for params in uniform]))
    assert np.mean(told) > np.mean(drawn) + 0.1


def test_a_corner_in_which_trials_collapse_is_left():
    """The sampler does not look at failed trials; of collapsed ones it learns that nothing is worse."""
    one = study(n_trials=40)
    high = []
    for _ in range(40):
        params = one.ask()
        collapses = params["encoder/depth"] >= 3
        high.append(collapses)
        if collapses:
            one.tell(params, record(params, outcome="failed", kind="collapsed"))
        else:
            one.tell(params, record(params, value_of(params)))
    assert sum(high[:10]) >= 3
    assert sum(high[20:]) <= 4
