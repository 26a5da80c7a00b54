"""The page over all sweeps: one HTML file without script or outside resource, that links to the single reports."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from sslbench.leaderboard.across.gain_panels import gains_section
from sslbench.leaderboard.across.rank_sections import ranking_section
from sslbench.leaderboard.across.store import AcrossSweeps
from sslbench.leaderboard.across.verdicts import Contest, SettingVerdict
from sslbench.leaderboard.intervals import Estimate
from sslbench.leaderboard.report.page import POLICY
from sslbench.leaderboard.report.style import series_class, stylesheet
from sslbench.leaderboard.report.svg import Scale
from sslbench.leaderboard.report.whiskers import interval_track, shared_scale, tick_track
from sslbench.leaderboard.table import gain_text

_RULES = """
a{color:var(--accent)}
svg.ranks{width:100%;min-width:560px;max-width:720px;height:auto;margin:10px 0}
svg.ranks .leader{stroke:var(--ink-3);stroke-width:1;opacity:.6}
svg.ranks .group{stroke:var(--ink);stroke-width:4;stroke-linecap:round}
.forest>div.whole{font-weight:650}
h3{margin-top:18px}
"""


def render_index(across: AcrossSweeps, reports: Mapping[tuple[str, str], str]) -> str:
    """Return the page; `reports` are the file names of the single reports by (sweep, data set). Names are escaped."""
    is_one = len(across.verdicts) == 1  # then it is in the header
    sections = [_verdict_section(verdict, is_said=is_one) for verdict in across.verdicts]
    sections += [ranking_section(ranking) for ranking in across.rankings]
    if across.gains:
        sections.append(gains_section(across.gains))
    sections += [_notes(across.notes), _reports(across, reports)]
    return f"<!doctype html>\n{_head()}<body><main>{_header(across)}{''.join(sections)}</main></body></html>\n"


def _head() -> str:
    return (
        '<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>all sweeps · sslbench</title><style>{stylesheet()}{_RULES}</style></head>"
    )


def _header(across: AcrossSweeps) -> str:
    items = "".join(f"<li>{html.escape(words)}</li>" for words in across.extent)
    sentences = "".join(
        f'<p class="verdict">{html.escape(v.sentence)}</p>'
        if len(across.verdicts) == 1
        else f"<li><b>{html.escape(v.setting.words)}</b>: {html.escape(v.sentence)}</li>"
        for v in across.verdicts
    )
    said = sentences if len(across.verdicts) == 1 else f'<ul class="notes">{sentences}</ul>'
    return (
        '<header><h1>All sweeps</h1><p class="question">When does self-supervised pretraining help?</p>'
        f'{said}<ul class="badges">{items}</ul></header>'
    )


def _verdict_section(verdict: SettingVerdict, *, is_said: bool) -> str:
    """Return the paired difference of each sweep of a setting, and their mean over data sets."""
    title = html.escape(verdict.setting.words)
    silent = "".join(f"<li>{html.escape(line)}</li>" for line in verdict.silent)
    left = f'<ul class="notes">{silent}</ul>' if silent else ""
    if not verdict.contests:
        return f"<section><h2>Best SSL − best baseline: {title}</h2>{left}</section>"
    said = "" if is_said else f'<p class="finding">{html.escape(verdict.sentence)}</p>'
    whole = (verdict.difference,) if verdict.difference is not None else ()
    scale = shared_scale([*(c.difference for c in verdict.contests), *whole], also=[0.0])
    rows = "".join(_contest_row(contest, scale) for contest in verdict.contests)
    if verdict.difference is not None:
        rows += _row("mean over data sets", verdict.difference, scale, css="whole", colour=1)
    return (
        f"<section><h2>Best SSL − best baseline: {title}</h2>"
        '<p class="read"><b>How to read:</b> each line is a sweep: test score of the SSL arm minus that of the baseline '
        "arm, both best by validation, with its paired 95 % interval inside that sweep. The last line is the mean over "
        "data sets, each weighing the same, with a t interval over data sets: it speaks of data sets like these. Right of "
        "the dark line SSL is ahead; a bar that touches it is a tie.</p>"
        f'{said}<div class="forest">{rows}<div class="axis"><span class="name"></span>{tick_track(scale)}'
        f'<span class="value"></span></div></div>{left}</section>'
    )


def _contest_row(contest: Contest, scale: Scale) -> str:
    name = f"{contest.dataset} · {contest.sweep}: {contest.ssl} − {contest.baseline}"
    return _row(name, contest.difference, scale, css="", colour=0)


def _row(name: str, difference: Estimate, scale: Scale, *, css: str, colour: int) -> str:
    value = gain_text(difference, digits=3)
    track = interval_track(
        difference, scale=scale, colour=series_class(colour), tip=f"{name}: {value}"
    )
    of_class = f' class="{css}"' if css else ""
    return (
        f'<div{of_class}><span class="name">{html.escape(name)}</span>{track}'
        f'<span class="value">{value}</span></div>'
    )


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    items = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    return f'<section><h2>How sweeps were put together</h2><ul class="notes">{items}</ul></section>'


def _reports(across: AcrossSweeps, reports: Mapping[tuple[str, str], str]) -> str:
    verdicts = {
        (s.facts.sweep, s.facts.dataset): s.board.verdict for p in across.pairs for s in p.sweeps
    }
    rows = "".join(
        f'<tr><td><a href="{html.escape(quote(page))}">{html.escape(f"{sweep} on {dataset}")}</a></td>'
        f"<td>{html.escape(verdicts.get((sweep, dataset), 'not compared here'))}</td></tr>"
        for (sweep, dataset), page in sorted(reports.items())
    )
    return (
        '<section><h2>The single reports</h2><div class="scroll"><table><thead><tr><th>sweep</th><th>its verdict</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div></section>"
    )
