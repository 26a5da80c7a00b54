"""Which searched options the score of each arm depends on."""

from __future__ import annotations

import html

from sslbench.leaderboard.importance import ArmImportance, ParameterImportance
from sslbench.leaderboard.intervals import Estimate
from sslbench.leaderboard.report.material import Material
from sslbench.leaderboard.report.svg import Scale
from sslbench.leaderboard.report.whiskers import interval_track, tick_track

_SHARES = Scale(low=-0.03, high=1.03, start=0.0, end=100.0)


def importance_section(material: Material) -> str:
    """Return, for each arm that searched, its options by importance; nothing if nothing was searched."""
    known = [arm for arm in material.importance if arm.parameters or arm.missing]
    if not known:
        return ""
    return (
        '<section><h2>Which options matter</h2><p class="read"><b>How to read:</b> dot = the share of the differences '
        "between an arm's search trials that one option explains by itself (functional ANOVA on a random forest); what "
        "the shares leave to 1 is options together, or noise. Bar = central 95 % when the trials are drawn anew, with "
        "replacement: it covers which recipes happened to be tried, not other cells or seeds. Hollow dot = chance: 19 of "
        "20 made-up options without any effect stay below it. An option that does not pass it is dimmed: these trials do "
        "not show that it matters, nor that it does not. Where halving stopped trials, all are judged by what they had "
        "at the first rung, since to leave out those without a final score would hide what makes recipes bad.</p>"
        f"{''.join(_arm(material, arm) for arm in known)}</section>"
    )


def _arm(material: Material, arm: ArmImportance) -> str:
    rows = "".join(_option(material, arm, one) for one in arm.parameters)
    judged = f'<span class="dim"> {_judged(arm)}</span>' if rows else ""
    title = f'<i class="key"></i>{html.escape(arm.arm)}{judged}'
    title = f'<h3 class="arm {material.colour(arm.arm)}">{title}</h3>'
    axis = f'<div class="axis"><span class="name"></span>{tick_track(_SHARES)}<span class="value"></span></div>'
    forest = f'<div class="forest">{rows}{axis}</div>' if rows else ""
    missing = "".join(f"<li>{html.escape(line)}</li>" for line in arm.missing)
    notes = f'<ul class="notes">{missing}</ul>' if missing else ""
    return f"{title}{forest}{notes}"


def _judged(arm: ArmImportance) -> str:
    if arm.updates is None:
        return "by final scores: no trial was stopped early"
    return f"by what each trial had after {arm.updates} updates, the first rung"


def _option(material: Material, arm: ArmImportance, one: ParameterImportance) -> str:
    share = Estimate(mean=one.importance, low=one.low, high=one.high)
    value = f"{one.importance:.2f} ({one.low:.2f}–{one.high:.2f})"
    tip = f"{one.parameter}: {value}, chance {one.chance:.2f}"
    track = interval_track(
        share, scale=_SHARES, colour=material.colour(arm.arm), tip=tip, also=one.chance
    )
    css = "" if one.stands_out else ' class="faded"'
    trials = f' <span class="dim">{one.n_trials} trials</span>'
    return (
        f'<div{css}><span class="name">{html.escape(one.parameter)}{trials}</span>{track}'
        f'<span class="value">{value}</span></div>'
    )
