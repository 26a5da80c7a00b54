"""The record over all sweeps as CSV, as markdown and as plain values for JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from sslbench.leaderboard.across.store import AcrossSweeps, Ranking
from sslbench.leaderboard.across.table import (
    gains_table,
    rank_table,
    score_rows,
    separation_lines,
    stability_lines,
    verdict_table,
)
from sslbench.leaderboard.intervals import Estimate
from sslbench.leaderboard.text import bullets, defused, escaped, markdown_table


def render_csv(across: AcrossSweeps) -> str:
    """Return one line for each method and pair; text that a spreadsheet would run as a formula is defused."""
    rows = [{k: defused(v) for k, v in row.items()} for row in score_rows(across)]
    return pd.DataFrame(rows).to_csv(index=False, lineterminator="\n")


def render_markdown(across: AcrossSweeps, reports: Mapping[tuple[str, str], str]) -> str:
    """Return verdicts, rankings, gains and links to the single reports, by (sweep, data set), as GitHub markdown."""
    lines = [f"## {across.n_sweeps} sweeps", ""]
    for verdict in across.verdicts:
        lines += [
            f"### {escaped(verdict.setting.words)}",
            "",
            f"**{escaped(verdict.sentence)}**",
            "",
        ]
        if verdict.contests:
            lines += [*markdown_table(verdict_table(verdict)), ""]
        lines += bullets("Without a verdict", verdict.silent)
    for ranking in across.rankings:
        lines += [
            f"### Ranks: {escaped(ranking.title)}",
            "",
            *markdown_table(rank_table(ranking)),
            "",
        ]
        lines += bullets("Remarks", remarks(ranking))
    if across.gains:
        lines += ["### Fewer labels", "", *markdown_table(gains_table(across.gains)), ""]
        lines += [*bullets("Break-even", [f"{g.name}: {g.curve.sentence}" for g in across.gains])]
    lines += bullets("Notes", across.notes)
    links = [f"- [{escaped(f'{s} on {d}')}]({page})" for (s, d), page in sorted(reports.items())]
    return "\n".join([*lines, "### Reports", "", *links]) + "\n"


def remarks(ranking: Ranking) -> tuple[str, ...]:
    """Return what limits a ranking: intervals, what was left out, holes, what can be told apart, how stable it is."""
    no_intervals = (ranking.no_intervals,) if ranking.no_intervals else ()
    holes = tuple(f"hole — {hole}" for hole in ranking.holes)
    found = (*separation_lines(ranking.separation), *stability_lines(ranking.stability))
    return (*no_intervals, *ranking.left_out, *holes, *found)


def to_plain(across: AcrossSweeps) -> dict[str, Any]:
    """Return the record as plain values for JSON; what is not known is None."""
    return {
        "sweeps": across.n_sweeps,
        "verdicts": [
            {
                "scenario": v.setting.scenario,
                "task": v.setting.task,
                "label_fraction": v.setting.label_fraction,
                "verdict": v.sentence,
                "difference": _plain(v.difference),
                "sweeps": [
                    {"dataset": c.dataset, "sweep": c.sweep, "ssl": c.ssl, "baseline": c.baseline}
                    | {"difference": _plain(c.difference)}
                    for c in v.contests
                ],
            }
            for v in across.verdicts
        ],
        "rankings": [
            {
                "title": r.title,
                "pairs": [pair.name for pair in r.block.pairs],
                "methods": [
                    {"method": row.method, "regime": row.regime}
                    | {"mean_rank": _plain(row.rank), "win_rate": _plain(row.wins)}
                    for row in r.rows
                ],
                "remarks": list(remarks(r)),
            }
            for r in across.rankings
        ],
        "label_gains": [
            {
                "dataset": g.dataset,
                "sweep": g.sweep,
                "break_even": g.curve.break_even,
                "break_even_labels": g.break_even_labels,
                "points": [
                    {"fraction": p.fraction, "labels": p.n_labels, "gain": _plain(p.gain)}
                    for p in g.curve.points
                ],
            }
            for g in across.gains
        ],
        "scores": list(score_rows(across)),
        "notes": list(across.notes),
    }


def _plain(estimate: Estimate | None) -> dict[str, float | None] | None:
    if estimate is None:
        return None
    bounds = {"low": estimate.low, "high": estimate.high}
    known = {name: v if math.isfinite(v) else None for name, v in bounds.items()}
    return {"mean": estimate.mean, **known}
