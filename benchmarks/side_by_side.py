"""Two or more sides in turn, round after round, so that a busy machine slows all of them alike."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

WARM_UPS, ROUNDS = 2, 15
Side = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: what this project takes, what the other side takes, and their ratio."""

    group: str  # module of `benchmarks` that measured it
    what: str  # "masked step, 2,000 genes, minibatch 256"
    ours: str  # how this project does it
    other: str  # what it is compared with
    unit: str  # of both values: "ms a minibatch", "s", "MB", …
    our_value: float  # median over the rounds
    other_value: float  # median over the rounds; NaN where nothing is compared
    ratio: tuple[float, float, float]  # 25, 50 and 75 % of the ratio of a round; NaN likewise
    goal: str  # "≥ 5x", or "" where there is none
    met: bool | None  # None: no goal, or not measured on this machine
    rounds: int
    load: float  # load average of one minute when the row was done
    note: str = ""


def seconds_of(
    sides: Mapping[str, Side], *, rounds: int = ROUNDS, warm_ups: int = WARM_UPS, repeats: int = 1
) -> dict[str, np.ndarray]:
    """Return the seconds of one call of each side, (rounds,); a round is `repeats` calls of every side."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(warm_ups + rounds):
        for name, side in sides.items():
            started = time.perf_counter()
            for _ in range(repeats):
                side()
            if number >= warm_ups:
                seconds[name].append((time.perf_counter() - started) / repeats)
    return {name: np.array(values) for name, values in seconds.items()}


def quartiles(values: np.ndarray) -> tuple[float, float, float]:
    """Return 25, 50 and 75 % of values (rounds,)."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return float(low), float(middle), float(high)


def at_least(
    goal: float, *, group: str, what: str, sides: tuple[str, str], unit: str,
    values: tuple[np.ndarray, np.ndarray], note: str = "",
) -> Row:  # fmt: skip
    """Return the row of a goal "this project is at least `goal` times as good as the other side".

    `sides` names ours and the other; `values` are both of theirs, (rounds,), where less is better.
    """
    ours, other = values
    ratio = quartiles(other / ours)
    return Row(
        group=group,
        what=what,
        ours=sides[0],
        other=sides[1],
        unit=unit,
        our_value=float(np.median(ours)),
        other_value=float(np.median(other)),
        ratio=ratio,
        goal=f"≥ {goal:g}x",
        met=ratio[1] >= goal,
        rounds=len(ours),
        load=os.getloadavg()[0],
        note=note,
    )


def at_most(
    goal: float, *, group: str, what: str, ours: str, unit: str, values: np.ndarray, note: str = ""
) -> Row:
    """Return the row of a goal "at most `goal` of this unit", from values (rounds,), compared with nothing."""
    nothing = float("nan")
    return Row(
        group=group,
        what=what,
        ours=ours,
        other="",
        unit=unit,
        our_value=float(np.median(values)),
        other_value=nothing,
        ratio=(nothing, nothing, nothing),
        goal=f"≤ {goal:g}",
        met=float(np.median(values)) <= goal,
        rounds=len(values),
        load=os.getloadavg()[0],
        note=note,
    )
