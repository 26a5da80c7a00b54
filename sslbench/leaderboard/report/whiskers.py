"""Means and intervals on one shared axis, as rows of a page: positions are percentages, so they fit any width."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence

from sslbench.leaderboard.intervals import Estimate
from sslbench.leaderboard.report.svg import Scale, number, scale_over

_LOW, _TALL = 26, 38  # pixels of a track without and with small dots below its interval


def shared_scale(estimates: Iterable[Estimate], *, also: Sequence[float] = ()) -> Scale:
    """Return the scale, in percent of a track's width, on which all estimates and other values fit."""
    values = [v for e in estimates for v in (e.low, e.mean, e.high) if math.isfinite(v)]
    return scale_over([*values, *also], start=0.0, end=100.0)


def interval_track(
    estimate: Estimate,
    *,
    scale: Scale,
    colour: str,
    tip: str,
    single: Mapping[str, float] | None = None,
    also: float | None = None,
) -> str:
    """Return a track with a dot at the mean, a bar over the interval, where it is known, and small dots below.

    `single` are the values that those stand for, by name; a hollow dot stands at `also`.
    """
    bar = _dot(scale(also), css="hollow") if also is not None else ""
    if estimate.is_known:
        low, high = scale(estimate.low), scale(estimate.high)
        bar = f'<line class="span" x1="{low:.2f}%" y1="13" x2="{high:.2f}%" y2="13"/>{bar}'
    marks = bar + _dot(scale(estimate.mean), css="mean")
    if not single:
        return _track(scale, marks, colour=colour, tip=tip)
    below = "".join(
        _small(scale(value), f"{name}: {number(value)}") for name, value in single.items()
    )
    values = ", ".join(f"{name} {number(value)}" for name, value in single.items())
    return _track(scale, marks + below, colour=colour, tip=f"{tip}; {values}", height=_TALL)


def below_track(scale: Scale, *, colour: str, tip: str) -> str:
    """Return a track of a value that lies left of the scale."""
    return _track(scale, '<text class="t" x="0" y="17">◂</text>', colour=colour, tip=tip)


def dots_track(
    value: float, other: float | None, *, scale: Scale, colours: Sequence[str], tip: str
) -> str:
    """Return a track with a filled dot at `value` and, where there is one, a hollow dot at `other`, each in its colour."""
    own, others = colours
    hollow = _dot(scale(other), css=f"hollow {others}") if other is not None else ""
    return _track(scale, hollow + _dot(scale(value), css="mean"), colour=own, tip=tip)


def tick_track(scale: Scale) -> str:
    """Return the numbers below the tracks of one scale."""
    marks = "".join(
        f'<text class="t" x="{scale(tick):.2f}%" y="13" text-anchor="middle">{number(tick)}</text>'
        for tick in scale.ticks(5)
    )
    return f'<svg class="ticks" aria-hidden="true">{marks}</svg>'


def _track(scale: Scale, marks: str, *, colour: str, tip: str, height: int = _LOW) -> str:
    grid = "".join(
        f'<line class="{"zero" if abs(tick) < 1e-12 else "grid"}" x1="{scale(tick):.2f}%" y1="0" '
        f'x2="{scale(tick):.2f}%" y2="{height}"/>'
        for tick in scale.ticks(5)
    )
    tall = " tall" if height == _TALL else ""
    title = f"<title>{html.escape(tip)}</title>"
    return f'<svg class="track{tall} {colour}" role="img">{title}{grid}{marks}</svg>'


def _small(at: float, tip: str) -> str:
    title = f"<title>{html.escape(tip)}</title>"
    return f'<circle class="single" cx="{at:.2f}%" cy="29" r="3.2">{title}</circle>'


def _dot(at: float, *, css: str) -> str:
    return f'<circle class="{css}" cx="{at:.2f}%" cy="13" r="5.5"/>'
