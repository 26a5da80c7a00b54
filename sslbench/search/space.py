"""What a sweep may choose: floats, log floats, whole numbers and choices, some only under a condition."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from sslbench.config import Frozen

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

Params = dict[str, Any]
Scalar = str | int | float | bool | None
Some = Annotated[tuple[Scalar, ...], Field(min_length=1)]
_KINDS = ("choice", "float", "log_float", "int", "log_int")
_MOST_TRIED = 1_000  # values of a whole number that are tried one by one when a file is read
_LARGEST = 2**53  # whole numbers beyond are not exact in the sampler's floating point


class Parameter(Frozen):
    """One searched option: exactly one kind, e.g. `{log_float: [1.0e-4, 1.0e-2]}`."""

    choice: tuple[Scalar, ...] | None = Field(
        None, min_length=1, max_length=_MOST_TRIED, description="one of these values"
    )
    float_: tuple[float, float] | None = Field(None, alias="float", description="uniform")
    log_float: tuple[float, float] | None = Field(None, description="uniform in the logarithm")
    int_: tuple[int, int] | None = Field(
        None, alias="int", description="whole number, ends included"
    )
    log_int: tuple[int, int] | None = Field(None, description="the same, uniform in the logarithm")
    when: dict[str, Some] = Field(
        {}, description="asked only if these parameters, named above it, have one of these values"
    )

    @model_validator(mode="after")
    def _check(self) -> Parameter:
        given = [kind for kind in _KINDS if self._value(kind) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(_KINDS)}; got {given or 'none'}")
        if self.choice is not None:
            if len(set(self.choice)) < len(self.choice):  # True and 1 are the same to a sampler
                raise ValueError(f"choice lists a value twice: {list(self.choice)}")
            return self
        low, high = self.ends()
        if not low < high:
            raise ValueError(f"{given[0]} needs low < high, got [{low}, {high}]")
        if given[0].startswith("log") and low <= 0:
            raise ValueError(f"{given[0]} needs low > 0, got {low}")
        if self.values() is not None and max(-low, high) > _LARGEST:
            raise ValueError(f"{given[0]} needs ends within ±2^53, got [{low}, {high}]")
        return self

    def _value(self, kind: str) -> Any:
        return getattr(self, f"{kind}_" if kind in ("float", "int") else kind)

    def ends(self) -> tuple[Any, ...]:
        """Return every choice, or the lowest and highest value: if these are legal, all are."""
        return next(tuple(self._value(kind)) for kind in _KINDS if self._value(kind) is not None)

    def values(self) -> Sequence[Any] | None:
        """Return all values if there are finitely many, else None."""
        whole = self.int_ or self.log_int
        return range(whole[0], whole[1] + 1) if whole else self.choice

    def can_be(self, value: Scalar) -> bool:
        """Say whether this is one of finitely many values; a condition on anything else is never met."""
        listed = self.values()
        if isinstance(listed, range):
            return isinstance(value, int) and value in listed
        return listed is not None and value in listed

    def is_asked(self, params: Params) -> bool:
        """Say whether the values chosen so far meet the condition."""
        return all(
            name in params and params[name] in allowed for name, allowed in self.when.items()
        )

    def distribution(self) -> BaseDistribution:
        """Return Optuna's description of this parameter."""
        from optuna.distributions import (
            CategoricalDistribution,
            FloatDistribution,
            IntDistribution,
        )

        if self.choice is not None:
            return CategoricalDistribution(self.choice)
        low, high = self.ends()
        log = self.log_float is not None or self.log_int is not None
        kind = IntDistribution if self.values() is not None else FloatDistribution
        return kind(low, high, log=log)

    def suggest(self, trial: Trial, name: str) -> Any:
        """Ask Optuna for a value."""
        if self.choice is not None:
            return trial.suggest_categorical(name, self.choice)
        low, high = self.ends()
        log = self.log_float is not None or self.log_int is not None
        ask = trial.suggest_int if self.values() is not None else trial.suggest_float
        return ask(name, low, high, log=log)

    def describe(self) -> str:
        """Return the parameter as a person reads it."""
        kind = next(kind for kind in _KINDS if self._value(kind) is not None)
        condition = "; ".join(f"{n} in {list(map(str, v))}" for n, v in self.when.items())
        return f"{kind} {list(self.ends())}" + (f"  when {condition}" if condition else "")


Space = Mapping[str, Parameter]


def suggest(trial: Trial, space: Space) -> Params:
    """Ask Optuna for every parameter whose condition is met."""
    params: Params = {}
    for name, parameter in space.items():
        if parameter.is_asked(params):
            params[name] = parameter.suggest(trial, name)
    return params


def distributions(params: Params, space: Space) -> dict[str, BaseDistribution]:
    """Return Optuna's descriptions of the parameters that were chosen."""
    return {name: space[name].distribution() for name in params}


def all_params(space: Space) -> Iterator[Params] | None:
    """Return every configuration of a finite space, in a fixed order; None if it is not finite."""
    values = {name: parameter.values() for name, parameter in space.items()}
    if any(listed is None for listed in values.values()):
        return None
    return _combinations(space, {n: v for n, v in values.items() if v is not None})


def _combinations(space: Space, values: dict[str, Sequence[Any]]) -> Iterator[Params]:
    seen: set[str] = set()
    for chosen in itertools.product(*values.values()):
        params: Params = {}
        for name, value in zip(values, chosen, strict=True):
            if space[name].is_asked(params):
                params[name] = value
        if repr(params) not in seen:
            seen.add(repr(params))
            yield params


def size(space: Space) -> float:
    """Return the number of configurations; infinity if a parameter is continuous or the space is vast."""
    whole = [parameter.values() for parameter in space.values()]
    if (
        any(values is None for values in whole)
        or math.prod(map(len, filter(None, whole))) > 100_000
    ):
        return math.inf
    return sum(1 for _ in all_params(space) or ())


def first_params(space: Space) -> Params:
    """Return the configuration made of every parameter's first value or lower end."""
    return _around(space, {})


def corners(space: Space) -> Iterator[tuple[str, Params]]:
    """Return one legal-looking configuration for each end of each parameter, named by the parameter."""
    for name, parameter in space.items():
        for end in parameter.ends():
            yield name, _around(space, _conditions_of(name, space) | {name: end})


def inner_values(space: Space) -> Iterator[tuple[str, Params]]:
    """Return the same as `corners` for what lies between the ends of whole numbers, if these are few."""
    for name, parameter in space.items():
        values = parameter.values()
        if isinstance(values, range) and len(values) <= _MOST_TRIED:
            for value in values[1:-1]:
                yield name, _around(space, _conditions_of(name, space) | {name: value})


def _conditions_of(name: str, space: Space) -> Params:
    """Return values under which `name` is asked, the conditions of its conditions included."""
    wanted: Params = {}
    for other, values in space[name].when.items():
        wanted |= _conditions_of(other, space) | {other: values[0]}
    return wanted


def _around(space: Space, wanted: Params) -> Params:
    """Take `wanted` values where they are asked for, and every other parameter's first value."""
    params: Params = {}
    for name, parameter in space.items():
        if parameter.is_asked(params):
            params[name] = wanted.get(name, parameter.ends()[0])
    return params
