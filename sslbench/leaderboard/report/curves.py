"""How training and the search went: one panel an arm, all on the same vertical axis."""

from __future__ import annotations

import html
from collections.abc import Iterable

from sslbench.leaderboard.report.material import Material
from sslbench.leaderboard.report.svg import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Scale,
    dot,
    panel,
    polyline,
    scale_over,
)
from sslbench.results import TrialRecord

MAX_CURVES = 48  # search trials drawn in a panel; more are a blur
MAX_POINTS = 48  # points drawn of a curve


def learning_curves_section(material: Material) -> str:
    """Return the objective after each report: search trials faint, the confirmed recipe's seeds in colour."""
    curves = {record.uid: _curve(record) for record in material.records}
    values = [value for curve in curves.values() for _, value in curve]
    if not values:
        return ""
    y = scale_over(values, start=BOTTOM, end=TOP)
    panels = [_learning_panel(material, arm, curves=curves, y=y) for arm in material.panelled]
    return _section(
        "Learning curves",
        "the arm's objective after each report. Coloured: the chosen recipe on its fresh seeds; "
        "grey: search trials. A coloured line that still rises at its end would gain from more updates."
        + material.without_panel,
        panels,
    )


def history_section(material: Material) -> str:
    """Return the objective of every search trial in the order they ended, with the best so far."""
    values = [v for arm in material.arms for _, v in _history(material, arm)]
    if not values:
        return ""
    y = scale_over(values, start=BOTTOM, end=TOP)
    panels = [_history_panel(material, arm, y=y) for arm in material.panelled]
    return _section(
        "Optimisation history",
        "each dot is a search trial (hollow: stopped early), the line is the best objective of a finished trial "
        "so far. A line that still climbs at the end would gain from a larger budget."
        + material.without_panel,
        panels,
    )


def _learning_panel(
    material: Material, arm: str, *, curves: dict[str, list[tuple[int, float]]], y: Scale
) -> str:
    row = material.board.row(arm)
    confirmed = [curves[uid] for uid in row.uids] if row else []
    searched = [curves[r.uid] for r in material.of(arm, "search")][-MAX_CURVES:]
    updates = [u for curve in (*confirmed, *searched) for u, _ in curve]
    if not any(updates):  # gradient-free: nothing is learned step by step
        return ""
    x = scale_over([0, *updates], start=LEFT, end=RIGHT)
    faint = "".join(_trace(curve, x=x, y=y, css="faint") for curve in searched)
    bold = "".join(_trace(curve, x=x, y=y, css="trace") for curve in confirmed)
    return _figure(
        material,
        arm,
        panel(x=x, y=y, x_title="updates", y_title=material.objective(arm), marks=faint + bold),
    )


def _history_panel(material: Material, arm: str, *, y: Scale) -> str:
    history = _history(material, arm)
    if not history:
        return ""
    x = scale_over([0.5, max(len(material.of(arm, "search")), 4) + 0.5], start=LEFT, end=RIGHT)
    numbered = {record.uid: i for i, record in enumerate(material.of(arm, "search"), start=1)}
    dots = "".join(
        dot(
            x(numbered[record.uid]),
            y(value),
            css="finished" if record.outcome == "finished" else "stopped",
            tip=f"trial {numbered[record.uid]}: {value:.3f}, {record.outcome}",
        )
        for record, value in history
    )
    finished = [(numbered[r.uid], value) for r, value in history if r.outcome == "finished"]
    steps = [(x(at), y(best)) for at, best in _best_so_far(finished, end=max(numbered.values()))]
    marks = polyline(steps, css="trace") + dots
    return _figure(
        material,
        arm,
        panel(x=x, y=y, x_title="search trial", y_title=material.objective(arm), marks=marks),
    )


def _best_so_far(finished: list[tuple[int, float]], *, end: int) -> list[tuple[int, float]]:
    """Return the corners of the staircase of best values over trial numbers, drawn on to `end`."""
    corners: list[tuple[int, float]] = []
    for at, value in finished:
        best = corners[-1][1] if corners else value
        corners += [(at, best), (at, max(best, value))]
    return [*corners, (end, corners[-1][1])] if corners else []


def _history(material: Material, arm: str) -> list[tuple[TrialRecord, float]]:
    ended = material.of(arm, "search")
    return [(r, r.score) for r in ended if r.score is not None]


def _curve(record: TrialRecord) -> list[tuple[int, float]]:
    points = [
        (point.updates, point.values[record.objective])
        for point in record.reports
        if record.objective in point.values
    ]
    stride = max(1, -(-len(points) // MAX_POINTS))
    return points[::stride] + (points[-1:] if (len(points) - 1) % stride else [])


def _trace(curve: list[tuple[int, float]], *, x: Scale, y: Scale, css: str) -> str:
    points = [(x(updates), y(value)) for updates, value in curve]
    if len(points) == 1:
        (at, height), kind = points[0], "finished" if css == "trace" else "faint"
        return dot(at, height, css=kind, tip=f"{curve[0][1]:.3f}")
    return polyline(points, css=css) if points else ""


def _figure(material: Material, arm: str, drawing: str) -> str:
    return f'<figure class="{material.colour(arm)}"><h3><i class="key"></i>{html.escape(arm)}</h3>{drawing}</figure>'


def _section(title: str, how_to_read: str, panels: Iterable[str]) -> str:
    return (
        f'<section><h2>{title}</h2><p class="read"><b>How to read:</b> {how_to_read}</p>'
        f'<div class="panels">{"".join(panels)}</div></section>'
    )
