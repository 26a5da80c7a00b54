"""The report: one HTML file that needs neither network nor script, and says how to read each of its figures."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import pandas as pd

from sslbench.leaderboard.board import Leaderboard
from sslbench.leaderboard.facts import SweepFacts
from sslbench.leaderboard.importance import ArmImportance
from sslbench.leaderboard.report.background import facts_section, failures_section
from sslbench.leaderboard.report.budget import budget_section
from sslbench.leaderboard.report.claim import claim_section
from sslbench.leaderboard.report.classes import class_f1_section, confusion_section
from sslbench.leaderboard.report.curves import history_section, learning_curves_section
from sslbench.leaderboard.report.external import external_section
from sslbench.leaderboard.report.importance import importance_section
from sslbench.leaderboard.report.labels import labels_section
from sslbench.leaderboard.report.maps import maps_section
from sslbench.leaderboard.report.mask_rates import mask_rates_section
from sslbench.leaderboard.report.material import Material
from sslbench.leaderboard.report.pruning import pruning_section
from sslbench.leaderboard.report.ranking_table import differences_section, leaderboard_section
from sslbench.leaderboard.report.scib import scib_section
from sslbench.leaderboard.report.slices import slices_section
from sslbench.leaderboard.report.style import stylesheet
from sslbench.leaderboard.report.versions import stale_section
from sslbench.results import TrialRecord

# Even if a name slipped through unescaped, the browser would load and run nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def render_html(
    board: Leaderboard,
    records: Sequence[TrialRecord],
    predictions: Mapping[str, pd.DataFrame],
    facts: SweepFacts,
    *,
    maps: Mapping[str, pd.DataFrame] | None = None,
    importance: Sequence[ArmImportance] = (),
) -> str:
    """Return the whole report as one page; every name in it is escaped.

    `maps` are those of the finalists' test cells by uid of the trial: row_id, batch, x, y.
    """
    left_out = board.stale_uids
    shown = [r for r in records if r.arm not in facts.copies and r.uid not in left_out]
    material = Material(
        board=board,
        records=shown,
        predictions=predictions,
        facts=facts,
        maps=maps or {},
        importance=importance,
    )
    sections = [claim_section(material, board.claim)] if board.claim is not None else []
    sections += [leaderboard_section(material), differences_section(material)]
    sections += [external_section(material), stale_section(material)]
    if board.label_curve is not None:
        sections.append(labels_section(material, board.label_curve))
    if board.rows and board.metric.of_labels:
        sections += [class_f1_section(material), confusion_section(material)]
    sections += [
        scib_section(material),
        maps_section(material),
        importance_section(material),
        mask_rates_section(material),
        slices_section(material),
        budget_section(material),
        pruning_section(material),
        learning_curves_section(material),
        history_section(material),
        failures_section(material),
        facts_section(material),
    ]
    return f"<!doctype html>\n{_head(facts)}<body><main>{_header(material)}{''.join(sections)}</main></body></html>\n"


def _head(facts: SweepFacts) -> str:
    title = html.escape(f"{facts.sweep} on {facts.dataset} · sslbench")
    return (
        '<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{title}</title><style>{stylesheet()}</style></head>"
    )


def _header(material: Material) -> str:
    facts, board = material.facts, material.board
    badges = [
        facts.data_line,
        facts.split_line,
        f"{facts.budget_trials} trials an arm",
    ]
    items = "".join(f"<li>{html.escape(badge)}</li>" for badge in badges)
    if board.stamp:
        items += f'<li class="stamp">{html.escape(board.stamp)}</li>'
    return (
        f'<header><h1>{html.escape(facts.sweep)}</h1><p class="question">{html.escape(facts.question)}</p>'
        f'<p class="verdict">{html.escape(board.verdict)}</p><ul class="badges">{items}</ul></header>'
    )
