"""Fewer labels: every arm's test score at each share of them, and what pretraining gains there."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from sslbench.leaderboard.board import LabelCurve, SharePoint
from sslbench.leaderboard.intervals import Estimate
from sslbench.leaderboard.report.material import Material
from sslbench.leaderboard.report.style import series_class
from sslbench.leaderboard.report.svg import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    Scale,
    band,
    dot,
    line,
    panel,
    polyline,
    scale_over,
)
from sslbench.leaderboard.table import gain_text, label_table, score_text

_DODGE = 0.5  # widths of a share over which the arms' dots are spread, so that intervals do not hide each other


def labels_section(material: Material, curve: LabelCurve) -> str:
    """Return the arms' scores and the gain against the share of the labels, beside the numbers and the holes."""
    words = html.escape(material.board.metric.words)
    return (
        '<section><h2>With fewer labels</h2><p class="read"><b>How to read:</b> '
        f"test {words} against the share of the labels of training and validation cells that exist, for all arms "
        "alike (steps, not to scale); bars and bands are 95 % intervals. Each arm is scored by the protocol that the validation "
        "labels left there prefer. The gain is that of the SSL arm that is best by those labels over the supervised "
        f"arm that is; above the dark line SSL is ahead. {html.escape(_capital(curve.stamp))}.</p>"
        f'<p class="finding">{html.escape(curve.sentence)}</p>{_legend(material, curve)}'
        f'<div class="panels wide">{_scores(material, curve)}{_gains(material, curve)}</div>'
        f'<div class="scroll">{_table(curve)}</div>{_holes(curve)}</section>'
    )


def _scores(material: Material, curve: LabelCurve) -> str:
    x, shares = _axis(curve.points)
    known = [arm.test for point in curve.points for arm in point.arms]
    y = scale_over(_bounds(known), start=BOTTOM, end=TOP)
    arms = [arm for arm in material.arms if any(p.arm(arm) for p in curve.points)]
    marks = []
    for position, arm in enumerate(arms):
        aside = _DODGE * ((position + 0.5) / len(arms) - 0.5)
        series = [(i, at) for i, p in enumerate(curve.points) if (at := p.arm(arm)) is not None]
        points = [(x(i + aside), at.test) for i, at in series]
        tips = [f"{a.method} ({a.protocol}): {score_text(a.test, digits=3)}" for _, a in series]
        marks.append(f'<g class="{material.colour(arm)}">{_series(points, y, tips=tips)}</g>')
    title = f"test {material.board.metric.words}"
    drawing = panel(x=x, y=y, x_title="labels", y_title=title, marks="".join(marks), x_names=shares)
    return f"<figure><h3>All arms</h3>{drawing}</figure>"


def _gains(material: Material, curve: LabelCurve) -> str:
    x, shares = _axis(curve.points)
    known = [(i, p, p.gain) for i, p in enumerate(curve.points) if p.gain is not None]
    if not known:
        return ""
    y = scale_over([0.0, *_bounds([gain for _, _, gain in known])], start=BOTTOM, end=TOP)
    tips = [f"{p.ssl} − {p.supervised}: {gain_text(gain, digits=3)}" for _, p, gain in known]
    zero = line(LEFT, y(0.0), RIGHT, y(0.0), css="zero")
    marks = zero + _series([(x(i), gain) for i, _, gain in known], y, tips=tips)
    title = f"gain in {material.board.metric.words}"
    drawing = panel(x=x, y=y, x_title="labels", y_title=title, marks=marks, x_names=shares)
    return (
        f'<figure class="{series_class(0)}"><h3>Best SSL − best supervised</h3>{drawing}</figure>'
    )


def _axis(points: Sequence[SharePoint]) -> tuple[Scale, list[str]]:
    scale = Scale(low=-0.5, high=len(points) - 0.5, start=LEFT, end=RIGHT)
    return scale, [f"{100 * point.fraction:g} %" for point in points]


def _bounds(estimates: Iterable[Estimate]) -> list[float]:
    found = [(e.low, e.mean, e.high) if e.is_known else (e.mean,) for e in estimates]
    return [value for values in found for value in values]


def _series(points: Sequence[tuple[float, Estimate]], y: Scale, *, tips: Sequence[str]) -> str:
    """Return a line through the means with a whisker and a dot at each, over the band of the intervals that are known."""
    known = [(at, e) for at, e in points if e.is_known]
    area = band([(at, y(e.high)) for at, e in known], [(at, y(e.low)) for at, e in known])
    whiskers = [line(at, y(e.low), at, y(e.high), css="span") for at, e in points if e.is_known]
    dots = [
        dot(at, y(e.mean), css="mean", tip=tip) for (at, e), tip in zip(points, tips, strict=True)
    ]
    trace = polyline([(at, y(e.mean)) for at, e in points], css="trace")
    return "".join([area if len(known) > 1 else "", *whiskers, trace, *dots])


def _legend(material: Material, curve: LabelCurve) -> str:
    arms = [arm for arm in material.arms if any(p.arm(arm) for p in curve.points)]
    items = (
        f'<span class="{material.colour(arm)}"><i class="key"></i>{html.escape(arm)}</span>'
        for arm in arms
    )
    return f'<div class="legend">{"".join(items)}</div>'


def _table(curve: LabelCurve) -> str:
    table = label_table(curve, digits=3)
    numeric = [' class="n"' if column.align == "right" else "" for column in table.columns]
    head = "".join(
        f"<th{css}>{html.escape(column.title)}</th>"
        for css, column in zip(numeric, table.columns, strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td{css}>{html.escape(cell)}</td>" for css, cell in zip(numeric, row, strict=True)
        )
        + "</tr>"
        for row in table.rows
    )
    return f'<table class="labels"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _holes(curve: LabelCurve) -> str:
    items = "".join(f"<li>{html.escape(f'hole — {hole}')}</li>" for hole in curve.holes)
    return f'<ul class="notes">{items}</ul>' if items else ""


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
