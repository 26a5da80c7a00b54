"""At which masking rate each kind of mask does best: the objective against the rate, a panel a kind."""

from __future__ import annotations

import html
from collections.abc import Sequence

from sslbench.leaderboard.report.material import Material
from sslbench.leaderboard.report.svg import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Scale,
    dot,
    line,
    panel,
    polyline,
    scale_over,
)
from sslbench.results import TrialRecord

RATE, KIND = "pretext/mask_rate", "pretext/mask"
_MAX_TRIALS = 200  # latest trials of an arm that are drawn


def mask_rates_section(material: Material) -> str:
    """Return one panel for each arm and kind of mask whose rate was searched; nothing if none was."""
    arms = {arm: material.of(arm, "search")[-_MAX_TRIALS:] for arm in material.panelled}
    tried = {arm: _scored(trials) for arm, trials in arms.items() if is_drawn_by_kind(trials)}
    values = [score for trials in tried.values() for _, score in trials]
    if not values:
        return ""
    y = scale_over(values, start=BOTTOM, end=TOP)
    panels = "".join(_panels(material, arm, trials, y=y) for arm, trials in tried.items())
    return (
        '<section><h2>Masking rate, by kind of mask</h2><p class="read"><b>How to read:</b> each dot is a search trial: '
        "the arm's objective against the fraction of genes that was hidden (hollow: stopped early, so its score could "
        "have risen). The line is the upper edge of the dots: no trial lies above it, and where it peaks is the rate to "
        "start from; it never dips, so a dip between two good rates does not show. Other options vary too, and a few "
        f"dots make no curve. Dashed: the best trial of the masks that have no rate.{material.without_panel}</p>"
        f'<div class="panels">{panels}</div></section>'
    )


def is_drawn_by_kind(trials: Sequence[TrialRecord]) -> bool:
    """Say whether these trials searched the rate of a mask whose kind is known."""
    rated = [r for r in trials if r.score is not None and RATE in r.params]
    return len({r.params[RATE] for r in rated}) > 1 and all(_kind(r) for r in rated)


def upper_edge(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the corners of the lowest concave line from the leftmost to the rightmost point above all points."""
    highest: dict[float, float] = {}
    for x, y in points:
        highest[x] = max(y, highest.get(x, y))
    edge: list[tuple[float, float]] = []
    for point in sorted(highest.items()):
        while len(edge) > 1 and not _turns_down(edge[-2], edge[-1], point):
            edge.pop()
        edge.append(point)
    return edge


def _turns_down(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    return (b[1] - a[1]) * (c[0] - b[0]) > (c[1] - b[1]) * (b[0] - a[0])


def _panels(
    material: Material, arm: str, trials: Sequence[tuple[TrialRecord, float]], *, y: Scale
) -> str:
    rated: dict[str, list[tuple[TrialRecord, float]]] = {}
    for record, score in trials:
        if RATE in record.params:
            rated.setdefault(_kind(record), []).append((record, score))
    rates = [float(record.params[RATE]) for own in rated.values() for record, _ in own]
    x = scale_over(rates, start=LEFT, end=RIGHT)
    rest = _best_without_rate(trials)
    return "".join(
        _panel(material, arm, kind, rated[kind], x=x, y=y, rest=rest) for kind in sorted(rated)
    )


def _panel(
    material: Material,
    arm: str,
    kind: str,
    rated: Sequence[tuple[TrialRecord, float]],
    *,
    x: Scale,
    y: Scale,
    rest: tuple[TrialRecord, float] | None,
) -> str:
    points = [(float(r.params[RATE]), score) for r, score in rated]
    marks = line(LEFT, y(rest[1]), RIGHT, y(rest[1]), css="rest") if rest else ""
    marks += polyline([(x(at), y(score)) for at, score in upper_edge(points)], css="trace")
    for record, score in rated:
        rate = float(record.params[RATE])
        css = "finished" if record.outcome == "finished" else "stopped"
        marks += dot(x(rate), y(score), css=css, tip=f"{kind} at {rate:.2f}: {score:.3f}")
    title = material.objective(arm)
    drawing = panel(x=x, y=y, x_title="mask_rate", y_title=title, marks=marks)
    words = f'<p class="dim">{html.escape(_words(rest))}</p>' if rest else ""
    return f'<figure class="{material.colour(arm)}"><h3>{html.escape(f"{arm}: {kind}")}</h3>{drawing}{words}</figure>'


def _words(rest: tuple[TrialRecord, float]) -> str:
    record, best = rest
    stopped = ", stopped early" if record.outcome == "stopped" else ""
    return f"dashed: {_kind(record)}, {best:.3f}{stopped}"


def _best_without_rate(
    trials: Sequence[tuple[TrialRecord, float]],
) -> tuple[TrialRecord, float] | None:
    """Return the best trial, and its score, of a mask that has no rate."""
    without = [(record, score) for record, score in trials if RATE not in record.params]
    return max(without, key=lambda trial: trial[1], default=None)


def _kind(record: TrialRecord) -> str:
    """Return the kind of mask, searched or given; empty if the task has none."""
    return str(record.params.get(KIND) or record.config["pretext"].get("mask") or "")


def _scored(trials: Sequence[TrialRecord]) -> list[tuple[TrialRecord, float]]:
    return [(r, r.score) for r in trials if r.score is not None]
