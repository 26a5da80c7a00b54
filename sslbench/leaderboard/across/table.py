"""The record over all sweeps as columns and rows of text, and as one line for each method and pair."""

from __future__ import annotations

from collections.abc import Iterator

from sslbench.leaderboard.across.gains import GainCurve
from sslbench.leaderboard.across.pairs import Pair
from sslbench.leaderboard.across.ranks import pair_ranks
from sslbench.leaderboard.across.separation import ALPHA, Separation
from sslbench.leaderboard.across.stability import Stability
from sslbench.leaderboard.across.store import AcrossSweeps, Ranking
from sslbench.leaderboard.across.verdicts import SettingVerdict
from sslbench.leaderboard.intervals import Estimate
from sslbench.leaderboard.table import ABSENT, Column, Table, gain_text


def rank_table(ranking: Ranking) -> Table:
    """Return method, regime, mean rank and win rate of every ranked method, best first."""
    columns = (
        Column(title="method"),
        Column(title="regime"),
        Column(title="mean rank (95 % CI)"),
        Column(title="win rate (95 % CI)"),
        Column(title="pairs", align="right"),
    )
    n_pairs = str(len(ranking.block.pairs))
    rows = tuple(
        (row.method, row.regime, estimate_text(row.rank), estimate_text(row.wins), n_pairs)
        for row in ranking.rows
    )
    return Table(columns=columns, rows=rows)


def verdict_table(verdict: SettingVerdict) -> Table:
    """Return what each sweep of a setting says: its best SSL arm against its best baseline."""
    columns = (
        Column(title="data set"),
        Column(title="sweep"),
        Column(title="best SSL"),
        Column(title="best baseline"),
        Column(title="difference (95 % CI)"),
    )
    rows = tuple(
        (c.dataset, c.sweep, c.ssl, c.baseline, gain_text(c.difference, digits=3))
        for c in verdict.contests
    )
    return Table(columns=columns, rows=rows)


def gains_table(gains: tuple[GainCurve, ...]) -> Table:
    """Return the gain at each share of the labels, a sweep after the other, and where it breaks even."""
    columns = (
        Column(title="data set"),
        Column(title="sweep"),
        Column(title="labels", align="right"),
        Column(title="cells", align="right"),
        Column(title="gain (95 % CI)"),
        Column(title="break-even"),
    )
    rows = []
    for of in gains:
        for point in of.curve.points:
            cells = ABSENT if point.n_labels is None else f"{point.n_labels:,}"
            here = "here" if point.fraction == of.curve.break_even else ""
            gain = gain_text(point.gain, digits=3)
            share = f"{100 * point.fraction:g} %"
            rows.append((of.dataset, of.sweep, share, cells, gain, here))
    return Table(columns=columns, rows=tuple(rows))


def estimate_text(estimate: Estimate) -> str:
    """Return e.g. `1.40 (1.00–2.10)`, or the mean alone where its interval is not known."""
    mean = f"{estimate.mean:.2f}"
    return f"{mean} ({estimate.low:.2f}–{estimate.high:.2f})" if estimate.is_known else mean


def separation_lines(found: Separation | str) -> tuple[str, ...]:
    """Return what can be told apart in sentences, or why there is no diagram."""
    if isinstance(found, str):
        return (f"no critical-difference diagram: {found}",)
    lines = [
        f"Friedman's test over {len(found.methods)} methods: p = {found.friedman_p:.3g}"
        + ("" if found.friedman_p < ALPHA else ", so no two are compared further")
    ]
    apart = [f"{a} and {b} (p = {p:.3g})" for (a, b), p in found.p.items() if p < ALPHA]
    if found.p:
        lines.append(f"told apart: {', '.join(apart) or 'no two'}")
    if found.smallest_corrected >= ALPHA:
        lines.append(
            f"with so few pairs no two methods could be told apart by Wilcoxon's test: its smallest p is "
            f"{found.smallest_p:.3g}, {found.smallest_corrected:.3g} corrected for the number of comparisons"
        )
    return tuple(lines)


def stability_lines(found: Stability | str) -> tuple[str, ...]:
    """Return how the order changes when a pair is left out, or why that is not asked."""
    if isinstance(found, str):
        return (f"no rank stability: {found}",)
    low, high = (f"{tau:.2f}".replace("-", "−") for tau in (found.lowest_tau, found.highest_tau))
    head = f"leaving out one pair, Kendall's tau with the whole order is {low} to {high}"
    return (head, *(found.moves or ("no method changes place",)))


def score_rows(across: AcrossSweeps) -> Iterator[dict[str, object]]:
    """Yield one line for each method and pair, numbers as numbers: what everything over sweeps is made of."""
    blocks = [ranking.block for ranking in across.rankings]
    for pair in across.pairs:
        block = next((b for b in blocks if pair in b.pairs and _of_one_setting(b.pairs)), None)
        ranks: dict[str, float] = {}
        if block is not None:
            values = pair_ranks(block.scores)[block.pairs.index(pair)]
            ranks = dict(zip(block.methods, map(float, values), strict=True))
        for entry in pair.entries.values():
            yield {
                "scenario": pair.setting.scenario,
                "task": pair.setting.task,
                "label_fraction": pair.setting.label_fraction,
                "dataset": pair.dataset,
                "method": entry.method,
                "regime": entry.regime,
                "test": entry.test,
                "validation": entry.validation,
                "rank": ranks.get(entry.method),
                "arm": entry.arm,
                "protocol": entry.protocol,
                "sweep": entry.sweep,
                "arms_of_this_method": entry.n_arms,
            }


def _of_one_setting(pairs: tuple[Pair, ...]) -> bool:
    return len({pair.setting for pair in pairs}) == 1
