"""Whether more search trials would change the answer."""

from __future__ import annotations

import html

from sslbench.leaderboard.budget import BestOfTrials, best_of_trials
from sslbench.leaderboard.report.material import Material
from sslbench.leaderboard.report.svg import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Scale,
    dot,
    panel,
    polygon,
    polyline,
    scale_over,
)

MIN_TRIALS = 4


def budget_section(material: Material) -> str:
    """Return the expected best score of n trials for each arm that was sampled; nothing if none was."""
    whole = {plan.name for plan in material.facts.arms if plan.exhausted}
    scores = {
        arm: [r.score for r in material.of(arm, "search") if r.score is not None]
        for arm in material.panelled
    }
    sampled = [arm for arm in scores if arm not in whole and len(scores[arm]) >= MIN_TRIALS]
    if not sampled:
        return ""
    curves = {arm: best_of_trials(scores[arm]) for arm in sampled}
    bounds = [v for curve in curves.values() for v in (*curve.low, *curve.high, *curve.mean)]
    y = scale_over(bounds, start=BOTTOM, end=TOP)
    x = scale_over([1, *(int(c.n_trials[-1]) for c in curves.values())], start=LEFT, end=RIGHT)
    panels = "".join(_panel(material, arm, curve, x=x, y=y) for arm, curve in curves.items())
    return (
        '<section><h2>Would a larger budget change the answer?</h2><p class="read"><b>How to read:</b> the line is '
        "the best validation score to be expected of n of an arm's search trials, picked at random; the band is its 95 % "
        "interval over trials drawn anew, which near the right end is too narrow, as it cannot know of a better trial "
        "than the best there was. A line that is flat at its end has little to gain from more trials; below each panel "
        "is what its second half brought. The search learns from earlier trials, so that its trials are not "
        "independent draws and come better and better: the line shows how much depends on the number of trials, not "
        f"what random search would reach. Failed trials do not count.{_left_out(material, whole)}{material.without_panel}</p>"
        f'<div class="panels">{panels}</div></section>'
    )


def _panel(material: Material, arm: str, curve: BestOfTrials, *, x: Scale, y: Scale) -> str:
    at = [x(int(n)) for n in curve.n_trials]
    upper = [(a, y(v)) for a, v in zip(at, curve.high, strict=True)]
    lower = [(a, y(v)) for a, v in zip(at, curve.low, strict=True)]
    middle = [(a, y(v)) for a, v in zip(at, curve.mean, strict=True)]
    n = int(curve.n_trials[-1])
    end = dot(*middle[-1], css="mean", tip=f"best of {n} trials: {curve.mean[-1]:.3f}")
    marks = polygon([*upper, *reversed(lower)], css="band") + polyline(middle, css="trace") + end
    drawing = panel(
        x=x, y=y, x_title="number of trials", y_title=material.objective(arm), marks=marks
    )
    gain = float(curve.mean[-1]) - curve.at(n // 2)
    return (
        f'<figure class="{material.colour(arm)}"><h3><i class="key"></i>{html.escape(arm)}</h3>{drawing}'
        f'<p class="dim">from {n // 2} to {n} trials: +{gain:.3f}</p></figure>'
    )


def _left_out(material: Material, whole: set[str]) -> str:
    named = [arm for arm in material.arms if arm in whole and material.of(arm, "search")]
    if not named:
        return ""
    return html.escape(f" Not drawn, since their whole space was tried: {', '.join(named)}.")
