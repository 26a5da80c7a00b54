"""The few shapes that the figures of the report are made of, as text of inline SVG; colours come from the page's style."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Anchor = Literal["start", "middle", "end"]
PANEL_WIDTH, PANEL_HEIGHT = 368, 232
LEFT, RIGHT, TOP, BOTTOM = 46, 348, 26, 190  # the plotting area of a panel

_LETTER, _TURNED = 7.0, 46  # pixels of a letter's width, and that turned names need below


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A map from values to positions, linear or logarithmic."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the position of `value`."""
        low, high, at = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (at - low) / (high - low) * (self.end - self.start)

    def ticks(self, n: int = 4) -> list[float]:
        """Return about `n` round values inside the scale."""
        return _log_ticks(self.low, self.high) if self.log else _round_ticks(self.low, self.high, n)


def scale_over(values: Iterable[float], *, start: float, end: float, log: bool = False) -> Scale:
    """Return a scale that holds all values with a little air; a single value sits in the middle."""
    known = list(values)
    low, high = min(known), max(known)
    if log:
        air = max((high / low) ** 0.06, 1.05)
        return Scale(low=low / air, high=high * air, start=start, end=end, log=True)
    air = max((high - low) * 0.08, abs(high) * 0.01, 1e-3)
    return Scale(low=low - air, high=high + air, start=start, end=end)


def panel(
    *, x: Scale, y: Scale, x_title: str, y_title: str, marks: str, x_names: Sequence[str] = ()
) -> str:
    """Return one panel: grid, axes and `marks`; `x_names` label positions 0, 1, … of a categorical axis."""
    x_ticks = (
        [(float(i), name) for i, name in enumerate(x_names)]
        if x_names
        else [(tick, number(tick)) for tick in x.ticks()]
    )
    turned = _overlap([(x(value), name) for value, name in x_ticks])
    words, height = html.escape(f"{y_title} against {x_title}"), PANEL_HEIGHT + turned * _TURNED
    parts = [
        f'<svg class="panel" viewBox="0 0 {PANEL_WIDTH} {height}" role="img" aria-label="{words}">'
    ]
    for tick in y.ticks(5):
        at = y(tick)
        parts.append(line(LEFT, at, RIGHT, at, css="grid"))
        parts.append(text(LEFT - 6, at + 4, number(tick), anchor="end"))
    parts.append(line(LEFT, BOTTOM, RIGHT, BOTTOM, css="baseline"))
    named = _turned_name if turned else _level_name
    parts += [named(x(value), name) for value, name in x_ticks]
    below = height - PANEL_HEIGHT + BOTTOM + 34
    parts.append(text((LEFT + RIGHT) / 2, below, x_title, anchor="middle", css="t title"))
    parts.append(text(LEFT - 40, TOP - 16, y_title, css="t title"))
    return "".join([*parts, marks, "</svg>"])


def _overlap(ticks: Sequence[tuple[float, str]]) -> bool:
    """Say whether names below an axis, each in the middle of its position, would run into their neighbours."""
    pairs = pairwise(sorted(ticks))
    return any(
        _LETTER * (len(a) + len(b)) / 2 + 6 > right - left for (left, a), (right, b) in pairs
    )


def _level_name(at: float, name: str) -> str:
    return text(at, BOTTOM + 16, name, anchor="middle")


def _turned_name(at: float, name: str) -> str:
    words = text(0, 0, clip(name, 15), anchor="end")
    return f'<g transform="translate({at + 4:.1f} {BOTTOM + 13}) rotate(-40)">{words}</g>'


def line(x1: float, y1: float, x2: float, y2: float, *, css: str) -> str:
    """Return a straight line."""
    return f'<line class="{css}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def polyline(points: Iterable[tuple[float, float]], *, css: str) -> str:
    """Return a line through points."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{css}" points="{path}"/>'


def band(upper: Sequence[tuple[float, float]], lower: Sequence[tuple[float, float]]) -> str:
    """Return the area between two lines over the same positions."""
    return polygon((*upper, *reversed(lower)), css="band")


def polygon(points: Iterable[tuple[float, float]], *, css: str) -> str:
    """Return a closed area."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polygon class="{css}" points="{path}"/>'


def dot(x: float, y: float, *, css: str, tip: str, radius: float = 4.0) -> str:
    """Return a circle that says `tip` under the pointer."""
    return (
        f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}">'
        f"<title>{html.escape(tip)}</title></circle>"
    )


def text(x: float, y: float, content: str, *, anchor: Anchor = "start", css: str = "t") -> str:
    """Return a line of text, escaped."""
    return (
        f'<text class="{css}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{html.escape(content)}</text>"
    )


def clip(name: str, length: int) -> str:
    """Return a name that fits, its end replaced by … if it does not."""
    return name if len(name) <= length else f"{name[: length - 1]}…"


def number(value: float) -> str:
    """Return a number as an axis shows it."""
    shown = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return "0" if float(shown.replace(",", "")) == 0 else shown.replace("-", "−")


def _round_ticks(low: float, high: float, n: int) -> list[float]:
    magnitude = 10.0 ** math.floor(math.log10((high - low) / n))
    steps = [factor * magnitude for factor in (1.0, 2.0, 2.5, 5.0, 10.0)]
    step = next(s for s in steps if (high - low) / s <= n + 0.5 or s == steps[-1])
    first, last = math.ceil(low / step), math.floor(high / step)
    return [i * step for i in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    tens = [10.0**d for d in decades if low <= 10.0**d <= high]
    if len(tens) >= 2:
        return tens
    return [f * 10.0**d for d in decades for f in (1.0, 2.0, 5.0) if low <= f * 10.0**d <= high]
