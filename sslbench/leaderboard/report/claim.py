"""A published claim and what became of it on these cells: the first thing on the page of a sweep that re-examines one."""

from __future__ import annotations

import html

from sslbench.leaderboard.board import JudgedClaim, JudgedPart
from sslbench.leaderboard.report.material import Material
from sslbench.leaderboard.report.svg import Scale
from sslbench.leaderboard.report.whiskers import interval_track, shared_scale, tick_track
from sslbench.leaderboard.table import gain_text


def claim_section(material: Material, claim: JudgedClaim) -> str:
    """Return the claim, its source, the verdict, and each comparison with its interval."""
    known = [part.difference for part in claim.parts if part.difference is not None]
    scale = shared_scale(known, also=[0.0]) if known else None
    rows = "".join(_part(part, scale=scale) for part in claim.parts)
    axis = (
        f'<div class="axis"><span class="name"></span>{tick_track(scale)}<span class="value"></span></div>'
        if scale
        else ""
    )
    return (
        f"<section><h2>The claim</h2><p>{html.escape(claim.text)} "
        f'<span class="dim">({html.escape(claim.source)})</span></p>'
        f'<p class="finding">{html.escape(claim.sentence)}</p>'
        f'<p class="read"><b>How to read:</b> test {html.escape(material.board.metric.words)} of the side that the '
        "claim has ahead minus that of the other, paired on the same cells and seeds, with its 95 % interval. Right of "
        "the dark line: as claimed. Left: the reverse. A bar that touches the line: not decided here, which is no "
        f'evidence of equality.</p><div class="forest">{rows}{axis}</div></section>'
    )


def _part(part: JudgedPart, *, scale: Scale | None) -> str:
    name = (
        f'<span class="name">{html.escape(part.says)} <span class="dim">{html.escape(part.better)} − '
        f"{html.escape(part.than)}</span></span>"
    )
    if part.difference is None or scale is None:
        return f'<div>{name}<span></span><span class="value">{html.escape(part.why)}</span></div>'
    value = gain_text(part.difference, digits=3)
    track = interval_track(part.difference, scale=scale, colour="c0", tip=f"{part.says}: {value}")
    return f'<div>{name}{track}<span class="value">{value} {part.outcome}</span></div>'
