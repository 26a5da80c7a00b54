"""Spaces: conditions, sizes, ends; nothing outside what the sweep file says is ever drawn."""

import itertools
import math

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sslbench.search.space import (
    Parameter,
    all_params,
    corners,
    distributions,
    first_params,
    inner_values,
    size,
    suggest,
)

optuna.logging.set_verbosity(optuna.logging.ERROR)


def space(**plain):
    return {name: Parameter.model_validate(given) for name, given in plain.items()}


MASKS = space(
    mask={"choice": ["none", "random", "programme"]},
    rate={"float": [0.1, 0.9], "when": {"mask": ["random", "programme"]}},
    per={"choice": ["cell", "minibatch"], "when": {"mask": ["programme"]}},
    n={"int": [2, 4], "when": {"per": ["minibatch"]}},
)


@pytest.mark.parametrize(
    "plain, rule",
    [
        ({}, "exactly one"),
        ({"float": [0, 1], "int": [0, 1]}, "exactly one"),
        ({"float": [1, 0]}, "low < high"),
        ({"int": [3, 3]}, "low < high"),
        ({"log_float": [0, 1]}, "low > 0"),
        ({"log_int": [-1, 5]}, "low > 0"),
        ({"choice": []}, "at least 1"),
        ({"choice": ["a", "a"]}, "twice"),
        ({"choice": [1, True]}, "twice"),
        ({"choice": [1, 1.0]}, "twice"),
        ({"float": [0.5]}, "required"),
        ({"float": [0, 1, 2]}, "at most 2"),
        ({"float": [0, math.nan]}, "finite"),
        ({"float": [0, math.inf]}, "finite"),
        ({"choice": [0.1, math.nan]}, "finite"),
        ({"float": ["low", "high"]}, "number"),
        ({"int": [0, 1.5]}, "integer"),
        ({"int": [0, 10**30]}, "2\\^53"),
        ({"choice": ["a"], "when": {"b": []}}, "at least 1"),
        ({"uniform": [0, 1]}, "Extra"),
    ],
)
def test_a_parameter_that_cannot_be_meant_is_refused_by_its_rule(plain, rule):
    with pytest.raises(ValidationError, match=rule):
        Parameter.model_validate(plain)


def test_choices_keep_their_types():
    values = ("1", 1.5, 2, True, None)
    found = Parameter.model_validate({"choice": list(values)}).values()
    assert [(type(v), v) for v in found] == [(type(v), v) for v in values]


def test_a_parameter_is_read_as_a_sentence():
    assert Parameter.model_validate({"log_float": [0.1, 1]}).describe() == "log_float [0.1, 1.0]"
    assert MASKS["per"].describe() == "choice ['cell', 'minibatch']  when mask in ['programme']"


@pytest.mark.parametrize(
    "plain, expected",
    [
        ({}, 1),
        ({"a": {"choice": [1, 2, 3]}}, 3),
        ({"a": {"choice": [1, 2, 3]}, "b": {"int": [5, 8]}}, 12),
        ({"a": {"choice": [1, 2]}, "b": {"log_int": [1, 3], "when": {"a": [2]}}}, 4),
        ({"a": {"float": [0, 1]}}, math.inf),
        ({"a": {"choice": [1, 2]}, "b": {"log_float": [1, 2], "when": {"a": [2]}}}, math.inf),
        ({"a": {"int": [0, 10**12]}}, math.inf),
        ({f"p{i}": {"choice": [1, 2]} for i in range(40)}, math.inf),
    ],
)
def test_the_size_of_a_space_counts_what_can_be_asked(plain, expected):
    assert size(space(**plain)) == expected


def test_a_vast_range_is_never_written_out():
    parameter = Parameter.model_validate({"int": [-(2**53), 2**53]})
    assert len(parameter.values()) == 2**54 + 1
    assert parameter.can_be(2**53)
    assert not parameter.can_be("x")
    assert not parameter.can_be(2**53 + 1)


def test_only_listed_values_can_be():
    assert Parameter.model_validate({"choice": ["a", None]}).can_be(None)
    assert not Parameter.model_validate({"choice": ["a"]}).can_be("b")
    assert not Parameter.model_validate({"float": [0, 1]}).can_be(0.5)


SMALL = st.one_of(
    st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True).map(
        lambda values: {"choice": values}
    ),
    st.tuples(st.integers(0, 3), st.integers(1, 2)).map(lambda t: {"int": [t[0], t[0] + t[1]]}),
)


@st.composite
def finite_spaces(draw):
    plain = {}
    for i in range(draw(st.integers(0, 4))):
        parameter = dict(draw(SMALL))
        if i and draw(st.booleans()):
            other = f"p{draw(st.integers(0, i - 1))}"
            allowed = Parameter.model_validate(plain[other]).values()
            parameter["when"] = {other: [draw(st.sampled_from(list(allowed)))]}
        plain[f"p{i}"] = parameter
    return space(**plain)


def brute_force(given):
    """Every combination of every value, with what is not asked for taken out again and again."""
    names = list(given)
    found = set()
    for values in itertools.product(*[list(given[name].values()) for name in names]):
        params = dict(zip(names, values, strict=True))
        for _ in names:
            for name in names:
                conditions = given[name].when.items()
                if name in params and any(params.get(o, "absent") not in a for o, a in conditions):
                    del params[name]
        found.add(tuple(params.items()))
    return found


@given(finite_spaces())
@settings(max_examples=150, deadline=None)
def test_all_params_are_those_of_brute_force_each_once(given_space):
    listed = [tuple(params.items()) for params in all_params(given_space)]
    assert len(listed) == len(set(listed)) == size(given_space)
    assert set(listed) == brute_force(given_space)


@given(finite_spaces())
@settings(max_examples=100, deadline=None)
def test_corners_are_configurations_of_the_space_and_reach_every_end(given_space):
    legal = brute_force(given_space)
    named = list(corners(given_space))
    assert {tuple(params.items()) for _, params in named} <= legal
    assert tuple(first_params(given_space).items()) in legal
    reachable = {(name, value) for params in legal for name, value in params}
    for name, parameter in given_space.items():
        ends = {(name, end) for end in parameter.ends()} & reachable
        seen = {(name, params[name]) for at, params in named if at == name and name in params}
        if is_reached(name, given_space):
            assert seen == ends


def is_reached(name, given_space):
    """Whether the first allowed value of each condition, and of its conditions, fit together."""
    return any(at == name and name in params for at, params in corners(given_space))


def test_whole_numbers_between_the_ends_are_tried_where_they_are_few():
    few = {"n": Parameter.model_validate({"int": [1, 5]}), "x": continuous()}
    assert [params["n"] for name, params in inner_values(few)] == [2, 3, 4]
    many = {"n": Parameter.model_validate({"int": [1, 100_000]})}
    assert list(inner_values(many)) == []


def continuous():
    return Parameter.model_validate({"float": [0.0, 1.0]})


def test_corners_fulfil_conditions_of_conditions():
    assert [params for name, params in corners(MASKS) if name == "n"] == [
        {"mask": "programme", "rate": 0.1, "per": "minibatch", "n": end} for end in (2, 4)
    ]


def test_a_continuous_space_has_no_list():
    assert all_params(MASKS) is None


def test_the_list_comes_in_a_fixed_order():
    finite = space(a={"choice": ["x", "y"]}, b={"int": [1, 2], "when": {"a": ["y"]}})
    expected = [{"a": "x"}, {"a": "y", "b": 1}, {"a": "y", "b": 2}]
    assert list(all_params(finite)) == expected


RANGES = st.fixed_dictionaries(
    {},
    optional={
        "a": st.tuples(st.floats(-5, 5), st.floats(0.01, 5)).map(
            lambda t: {"float": [t[0], t[0] + t[1]]}
        ),
        "b": st.tuples(st.floats(1e-6, 1), st.floats(1.1, 1e3)).map(
            lambda t: {"log_float": [t[0], t[0] * t[1]]}
        ),
        "c": st.tuples(st.integers(-9, 9), st.integers(1, 9)).map(
            lambda t: {"int": [t[0], t[0] + t[1]]}
        ),
        "d": st.tuples(st.integers(1, 9), st.integers(1, 9)).map(
            lambda t: {"log_int": [t[0], t[0] + t[1]]}
        ),
        "e": st.lists(
            st.text(max_size=3) | st.none() | st.integers(2, 9), min_size=1, max_size=4, unique=True
        ).map(lambda values: {"choice": values}),
    },
)


def inside(value, parameter):
    ends = parameter.ends()
    if parameter.choice is not None:
        return value in ends
    whole = parameter.values() is not None
    return ends[0] <= value <= ends[1] and isinstance(value, int if whole else float)


@given(RANGES, st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_only_values_within_the_ranges_are_drawn(plain, seed):
    given_space = space(**plain)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    for _ in range(5):
        params = suggest(study.ask(), given_space)
        assert list(params) == list(given_space)
        assert all(inside(value, given_space[name]) for name, value in params.items())


def test_a_parameter_is_drawn_exactly_when_its_condition_is_met():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    seen = set()
    for _ in range(200):
        params = suggest(study.ask(), MASKS)
        seen.add(tuple(params))
        assert ("rate" in params) == (params["mask"] != "none")
        assert ("per" in params) == (params["mask"] == "programme")
        assert ("n" in params) == (params.get("per") == "minibatch")
    assert len(seen) == 4


def test_log_parameters_are_drawn_evenly_in_the_logarithm():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    given_space = space(rate={"log_float": [1e-4, 1.0]})
    draws = [suggest(study.ask(), given_space)["rate"] for _ in range(600)]
    share = sum(rate < 1e-2 for rate in draws) / 600
    assert abs(share - 0.5) < 4 * math.sqrt(0.25 / 600)


def test_distributions_describe_just_what_was_chosen():
    chosen = {"mask": "random", "rate": 0.5}
    found = distributions(chosen, MASKS)
    assert list(found) == ["mask", "rate"]
    study = optuna.create_study()
    study.add_trial(optuna.trial.create_trial(params=chosen, distributions=found, value=1.0))
    assert study.best_params == chosen
