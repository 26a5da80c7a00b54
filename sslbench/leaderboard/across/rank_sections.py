"""Mean ranks, win rates and what can be told apart, as sections of the page."""

from __future__ import annotations

import html

from sslbench.leaderboard.across.diagram import draw_differences
from sslbench.leaderboard.across.ranks import MethodRank
from sslbench.leaderboard.across.separation import Separation
from sslbench.leaderboard.across.store import Ranking
from sslbench.leaderboard.across.table import estimate_text, separation_lines, stability_lines
from sslbench.leaderboard.intervals import Estimate
from sslbench.leaderboard.report.style import series_class
from sslbench.leaderboard.report.svg import Scale
from sslbench.leaderboard.report.whiskers import interval_track, tick_track
from sslbench.results import Regime

_COLOURS: dict[Regime, int] = {
    "self-supervised": 0,
    "supervised": 1,
    "unsupervised": 2,
    "untrained": 3,
}


def ranking_section(ranking: Ranking) -> str:
    """Return mean ranks and win rates with intervals, the critical-difference diagram, stability and holes."""
    n_pairs, n_methods = len(ranking.block.pairs), len(ranking.block.methods)
    limits = ((ranking.no_intervals,) if ranking.no_intervals else ()) + ranking.left_out
    holes = tuple(f"hole — {hole}" for hole in ranking.holes)
    return (
        f"<section><h2>Ranks: {html.escape(ranking.title)}</h2>"
        f'<p class="read"><b>How to read:</b> {n_methods} methods (pretext task/encoder) on the {n_pairs} '
        f"pair{'s' if n_pairs > 1 else ''} of data set and task that all of them were scored on. Rank 1 is the highest test "
        "score of a pair; the win rate is the share of the other methods with a lower one. Scores are means over seeds, and "
        "a win counts however small it is. Bars: 95 % t intervals over data sets.</p>"
        f"{_legend(ranking)}{_tracks(ranking)}{_list((*limits, *holes))}"
        f"<h3>Who can be told apart</h3>{_diagram(ranking.separation)}"
        f"<h3>Without one pair</h3>{_list(stability_lines(ranking.stability))}</section>"
    )


def _legend(ranking: Ranking) -> str:
    regimes = [r for r in _COLOURS if any(row.regime == r for row in ranking.rows)]
    items = "".join(
        f'<span class="{series_class(_COLOURS[r])}"><i class="key"></i>{r}</span>' for r in regimes
    )
    return f'<div class="legend">{items}</div>'


def _tracks(ranking: Ranking) -> str:
    n = len(ranking.block.methods)
    ranks = Scale(low=0.7, high=n + 0.3, start=0.0, end=100.0)
    wins = Scale(low=-0.03, high=1.03, start=0.0, end=100.0)
    by_rank = "".join(_row(row, row.rank, ranks) for row in ranking.rows)
    by_wins = "".join(_row(row, row.wins, wins) for row in ranking.rows)
    return f"<h3>Mean rank (1 is best)</h3>{_forest(by_rank, ranks)}<h3>Win rate</h3>{_forest(by_wins, wins)}"


def _row(row: MethodRank, shown: Estimate, scale: Scale) -> str:
    value = estimate_text(shown)
    colour, tip = series_class(_COLOURS[row.regime]), f"{row.method}: {value}"
    track = interval_track(shown, scale=scale, colour=colour, tip=tip)
    return (
        f'<div><span class="name">{html.escape(row.method)}</span>{track}'
        f'<span class="value">{value}</span></div>'
    )


def _forest(rows: str, scale: Scale) -> str:
    return (
        f'<div class="forest">{rows}<div class="axis"><span class="name"></span>{tick_track(scale)}'
        '<span class="value"></span></div></div>'
    )


def _diagram(found: Separation | str) -> str:
    said = _list(separation_lines(found))
    if isinstance(found, str):
        return said
    return (
        '<p class="read"><b>How to read:</b> each method hangs at its mean rank; a thick bar joins neighbours of which no '
        "two can be told apart (Friedman's test, then Wilcoxon's signed-rank test for every two with Holm's correction, at "
        "5 %).</p>"
        f'<div class="scroll {series_class(0)}">{draw_differences(found)}</div>{said}'
    )


def _list(lines: tuple[str, ...]) -> str:
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f'<ul class="notes">{items}</ul>' if items else ""
