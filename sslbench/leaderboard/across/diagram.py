"""The critical-difference diagram (Demšar 2006, jmlr.org/papers/v7/demsar06a.html) as inline SVG."""

from __future__ import annotations

import math

from sslbench.leaderboard.across.separation import Separation
from sslbench.leaderboard.report.svg import Anchor, Scale, dot, line, text

_WIDTH, _SIDE, _AXIS, _ROW = (
    720.0,
    200.0,
    34.0,
    20.0,
)  # pixels; names stand at both sides of the axis


def draw_differences(found: Separation) -> str:
    """Return the axis of mean ranks, best on the left, a bar under methods that cannot be told apart, and all names."""
    n = len(found.methods)
    scale = Scale(low=1, high=n, start=_SIDE, end=_WIDTH - _SIDE)
    bars = _AXIS + 12
    names = bars + 10 * len(found.groups) + 16
    n_left = math.ceil(n / 2)
    height = names + _ROW * n_left
    parts = [
        f'<svg class="ranks" viewBox="0 0 {_WIDTH:g} {height:g}" role="img">'
        "<title>mean ranks; a bar joins methods that cannot be told apart</title>"
    ]
    parts.append(line(scale(1), _AXIS, scale(n), _AXIS, css="baseline"))
    for rank in range(1, n + 1):
        parts.append(line(scale(rank), _AXIS - 5, scale(rank), _AXIS, css="baseline"))
        parts.append(text(scale(rank), _AXIS - 10, str(rank), anchor="middle"))
    ranks = dict(zip(found.methods, found.mean_ranks, strict=True))
    for i, (method, mean_rank) in enumerate(ranks.items()):
        is_left = i < n_left
        y = names + _ROW * (i if is_left else n - 1 - i)
        end = _SIDE - 12 if is_left else _WIDTH - _SIDE + 12
        parts.append(line(scale(mean_rank), _AXIS, scale(mean_rank), y, css="leader"))
        parts.append(line(scale(mean_rank), y, end, y, css="leader"))
        anchor: Anchor = "end" if is_left else "start"
        shift = -6 if is_left else 6
        parts.append(
            text(end + shift, y + 4, f"{method} {mean_rank:.2f}", anchor=anchor, css="t name")
        )
        parts.append(dot(scale(mean_rank), _AXIS, css="mean", tip=f"{method}: {mean_rank:.2f}"))
    for i, group in enumerate(found.groups):
        first, last = scale(ranks[group[0]]) - 5, scale(ranks[group[-1]]) + 5
        parts.append(line(first, bars + 10 * i, last, bars + 10 * i, css="group"))
    return "".join([*parts, "</svg>"])
