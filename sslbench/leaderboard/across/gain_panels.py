"""What pretraining gains against the number of labels, one panel a data set and sweep, all on one vertical axis."""

from __future__ import annotations

import html
from collections.abc import Sequence

from sslbench.leaderboard.across.gains import GainCurve
from sslbench.leaderboard.report.style import series_class
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
from sslbench.leaderboard.table import gain_text


def gains_section(gains: Sequence[GainCurve]) -> str:
    """Return the panels with break-even in words below each."""
    known = [p.gain for of in gains for p in of.curve.points if p.gain is not None]
    values = [v for g in known for v in ((g.low, g.mean, g.high) if g.is_known else (g.mean,))]
    y = scale_over([0.0, *values], start=BOTTOM, end=TOP)
    panels = "".join(_figure(of, y) for of in gains)
    return (
        '<section><h2>With fewer labels</h2><p class="read"><b>How to read:</b> test score of the best SSL arm minus that of '
        "the best supervised arm, both best by the validation labels left there, against the labelled training cells "
        "(logarithmic; shares of the labels in steps where cells were not counted); bars are 95 % intervals. Above the dark "
        "line SSL is ahead. Break-even is the fewest labels at which SSL is not separably ahead.</p>"
        f'<div class="panels wide">{panels}</div></section>'
    )


def _figure(of: GainCurve, y: Scale) -> str:
    points = [p for p in of.curve.points if p.gain is not None]
    counted = [p.n_labels for p in points if p.n_labels]
    by_cells = len(counted) == len(points)
    if by_cells:
        at = [float(n) for n in counted]
        x, names = scale_over(at, start=LEFT, end=RIGHT, log=True), []
    else:
        at = [float(i) for i in range(len(points))]
        x = Scale(low=-0.5, high=len(points) - 0.5, start=LEFT, end=RIGHT)
        names = [f"{100 * p.fraction:g} %" for p in points]
    marks = [line(LEFT, y(0.0), RIGHT, y(0.0), css="zero")]
    marks.append(
        polyline(
            [(x(a), y(p.gain.mean)) for a, p in zip(at, points, strict=True) if p.gain], css="trace"
        )
    )
    for a, p in zip(at, points, strict=True):
        assert p.gain is not None
        if p.gain.is_known:
            marks.append(line(x(a), y(p.gain.low), x(a), y(p.gain.high), css="span"))
        tip = f"{100 * p.fraction:g} %: {p.ssl} − {p.supervised}: {gain_text(p.gain, digits=3)}"
        marks.append(dot(x(a), y(p.gain.mean), css="mean", tip=tip))
    drawing = panel(
        x=x,
        y=y,
        x_title="labelled training cells" if by_cells else "labels",
        y_title="gain",
        marks="".join(marks),
        x_names=names,
    )
    said = html.escape(of.curve.sentence)
    return f'<figure class="{series_class(0)}"><h3>{html.escape(of.name)}</h3>{drawing}<p class="read">{said}</p></figure>'
