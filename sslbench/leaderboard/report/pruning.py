"""Whether halving stopped the right trials: early scores against final ones."""

from __future__ import annotations

import html

from sslbench.leaderboard.pruning import (
    LITTLE,
    MIN_SURVIVORS,
    PruningCheck,
    check_pruning,
    interval_text,
)
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
    scale_over,
)


def pruning_section(material: Material) -> str:
    """Return early against final scores of each arm that had trials stopped; nothing if none had."""
    rung = material.facts.first_rung
    if rung is None:
        return ""
    checks = [check_pruning(material.records, arm, first_rung=rung) for arm in material.panelled]
    found = [check for check in checks if check is not None]
    if not found:
        return ""
    panels = "".join(_panel(material, check) for check in found)
    return (
        '<section><h2>Does halving stop the right trials?</h2><p class="read"><b>How to read:</b> what a search trial '
        f"had after {rung} updates, the first rung, against where it ended. Filled: went on past it; its height above "
        "the diagonal is what it gained. Hollow: stopped. A stopped trial would have had to climb to the dashed line, "
        "the arm's best; if that is more than any trial that went on has gained from there, stopping it was right as "
        "far as one can see. Kendall's tau is 1 where early ranks are final ranks, 0 where they say nothing; those that "
        "went on are a selection of good starters, among whom it is lower than among all. A warning stands where tau "
        f"is below {LITTLE} and a stopped trial could have ended in the better half of those that went on.{material.without_panel}</p>"
        f'<div class="panels">{panels}</div></section>'
    )


def _panel(material: Material, check: PruningCheck) -> str:
    both = [*check.survivors, *check.stopped]
    x = scale_over([early for early, _ in both], start=LEFT, end=RIGHT)
    y = scale_over([check.best, *(end for _, end in both)], start=BOTTOM, end=TOP)
    marks = _diagonal(x, y) + line(LEFT, y(check.best), RIGHT, y(check.best), css="rest")
    for css, trials in (("stopped", check.stopped), ("finished", check.survivors)):
        for early, end in trials:
            marks += dot(x(early), y(end), css=css, tip=f"{early:.3f}, then {end:.3f}")
    drawing = panel(
        x=x,
        y=y,
        x_title=f"after {check.rung} updates",
        y_title=f"in the end, {material.objective(check.arm)}",
        marks=marks,
    )
    warned = ' class="warned"' if check.says_little else ' class="dim"'
    return (
        f'<figure class="{material.colour(check.arm)}"><h3><i class="key"></i>{html.escape(check.arm)}</h3>{drawing}'
        f"<p{warned}>{_words(check)}</p></figure>"
    )


def _diagonal(x: Scale, y: Scale) -> str:
    low, high = max(x.low, y.low), min(x.high, y.high)
    return line(x(low), y(low), x(high), y(high), css="baseline") if low < high else ""


def _words(check: PruningCheck) -> str:
    n = len(check.survivors)
    if check.order is not None:
        order = f"tau {interval_text(check.order)} over {n} that went on"
    elif n < MIN_SURVIVORS:
        order = f"{n} went on: too few for tau ({MIN_SURVIVORS})"
    else:
        order = f"the {n} that went on are alike: no tau"
    return (
        f"{order}; they gained up to {check.largest_gain:.3f}; with as much, {check.n_near} of {len(check.stopped)} "
        f"stopped would have ended in their better half, {check.n_within_reach} as the best"
    )
