"""How well batches are mixed and types kept apart, component by component, where a task of scIB scored it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from statistics import fmean

from sslbench.leaderboard.board import Row
from sslbench.leaderboard.report.material import Material
from sslbench.leaderboard.report.ranking_table import breakable
from sslbench.results import MetricKey, TrialRecord

# What is scored under which total, in the order and the words of the field.
_BIO = {
    "isolated_labels": "isolated labels",
    "kmeans_nmi": "k-means NMI",
    "kmeans_ari": "k-means ARI",
    "silhouette_label": "silhouette label",
    "clisi": "cLISI",
}
_BATCH = {
    "bras": "BRAS",
    "ilisi": "iLISI",
    "kbet": "kBET",
    "graph_connectivity": "graph connectivity",
    "pcr_comparison": "PCR comparison",
}
_TOTALS = {"total": "total", "bio": "biology", "batch": "batch"}
_WORDS = {**_TOTALS, **_BIO, **_BATCH}
_TASKS = {
    "scib": "all of scIB by the package scib-metrics {scib-metrics}",
    "integration": "the cheap part of scIB by sslbench {sslbench} itself, without kBET and PCR: its totals stand beside "
    "each other and not beside published ones",
}


def scib_section(material: Material) -> str:
    """Return a table for each task of scIB that scored the rows' test cells; nothing without such a task."""
    tables = "".join(_task_table(material, task, made_by=by) for task, by in _TASKS.items())
    if not tables:
        return ""
    return (
        "<section><h2>Integration, component by component</h2>"
        '<p class="read"><b>How to read:</b> mean over seeds on test cells, 1 is best in every column; the darker a cell, '
        "the higher. The total is 0.6 biology (are types kept apart?) + 0.4 batch (are batches mixed?), each the mean of "
        f"its components.{_told(material)}</p>{tables}</section>"
    )


def _told(material: Material) -> str:
    """Return the sentence that some arms learnt what biology scores, or nothing without such an arm."""
    told = [row.method for row in material.board.rows if row.regime == "supervised"]
    if not told:
        return ""
    names = html.escape(", ".join(told))
    return (
        f" <b>Not a fair race: {names} learnt from the labels that biology scores</b>; the other methods never saw "
        "them. Compare those with it by batch."
    )


def _task_table(material: Material, task: str, *, made_by: str) -> str:
    scores = {row.arm: _means(material, row, task) for row in material.board.rows}
    found = [name for name in _WORDS if any(name in of for of in scores.values())]
    if not found:
        return ""
    heads = "".join(f'<th class="n">{_WORDS[name]}</th>' for name in found)
    spans = _spans(found)
    rows = "".join(_row(row, scores[row.arm], found) for row in material.board.rows)
    versions = material.made_with
    words = made_by.format_map(
        {name: versions.get(name, "?") for name in ("scib-metrics", "sslbench")}
    )
    return (
        f'<h3>Task {task}</h3><p class="read">{html.escape(words[:1].upper() + words[1:])}.</p>'
        f'<div class="scroll"><table class="heat"><thead><tr><th></th>{spans}</tr>'
        f"<tr><th>method</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _spans(found: Sequence[str]) -> str:
    groups = {"totals": _TOTALS, "biology": _BIO, "batch": _BATCH}
    counts = {words: sum(name in group for name in found) for words, group in groups.items()}
    return "".join(
        f'<th class="group" colspan="{n}">{words}</th>' for words, n in counts.items() if n
    )


def _row(row: Row, scores: Mapping[str, float], found: Sequence[str]) -> str:
    cells = "".join(_cell(scores.get(name)) for name in found)
    return f'<tr><th scope="row">{breakable(row.method)}</th>{cells}</tr>'


def _cell(value: float | None) -> str:
    if value is None:
        return '<td class="n">–</td>'
    share = min(max(value, 0.0), 1.0)
    return f'<td class="n" style="--share:{100 * share:.0f}%">{value:.3f}</td>'.replace(
        "-0.", "−0."
    )


def _means(material: Material, row: Row, task: str) -> dict[str, float]:
    """Return the mean over the row's seeds of every score of a task on test cells, by metric."""
    of_seed = [_scores(material.record(uid), task) for uid in row.uids]
    shared = set.intersection(*(set(scores) for scores in of_seed))
    return {name: fmean(scores[name] for scores in of_seed) for name in shared}


def _scores(record: TrialRecord, task: str) -> dict[str, float]:
    assert record.result is not None
    keys = [MetricKey.parse(text) for text in record.result.scores]
    return {
        k.metric: record.result.scores[str(k)] for k in keys if k.split == "test" and k.task == task
    }
