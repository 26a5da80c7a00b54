"""What an arm would be without a search: the recipe of its defaults, the first that its search tries."""

from __future__ import annotations

import math
from typing import Any

from pydantic import ValidationError

from sslbench.errors import ConfigError
from sslbench.search.space import Parameter, Params
from sslbench.search.spec import SweepSpec


def default_params(spec: SweepSpec, arm: str) -> Params:
    """Return the configuration of an arm's space that is nearest to what its options are if nobody searches them.

    An option that the sweep file fixes beside searching it has that value as default, any other what its component
    says, given the options above it. A default outside the space goes to the nearest number of it, else to the
    first choice; an option without default to the middle of its range, in its own scale.
    """
    params: Params = {}
    for address, parameter in spec.arms[arm].search.items():
        if parameter.is_asked(params):
            params[address] = _nearest(_default(spec, arm, params, address), parameter)
    return params


def _default(spec: SweepSpec, arm: str, params: Params, address: str) -> Any:
    try:
        return spec.config(arm, params, seed=spec.seed).flat().get(address)
    except (ValidationError, ConfigError):  # legal with a value alone: then there is no default
        return None


def _nearest(value: Any, parameter: Parameter) -> Any:
    if parameter.choice is not None:
        return _nearest_choice(value, parameter.choice)
    low, high = parameter.ends()
    is_whole = parameter.values() is not None
    if not _is_number(value):
        log = parameter.log_float is not None or parameter.log_int is not None
        value = math.sqrt(low) * math.sqrt(high) if log else (low + high) / 2
    within = min(max(value, low), high)
    return round(within) if is_whole else float(within)


def _nearest_choice(value: Any, choices: tuple[Any, ...]) -> Any:
    same = [c for c in choices if c == value and isinstance(c, bool) == isinstance(value, bool)]
    if same:
        return same[0]
    numbers = [choice for choice in choices if _is_number(choice)]
    if not (numbers and _is_number(value)):
        return choices[0]
    return min(numbers, key=lambda choice: abs(choice - value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
