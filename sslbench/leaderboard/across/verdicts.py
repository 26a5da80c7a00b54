"""Did self-supervision win on this task, over all data sets: one sentence from the verdict pairs of the sweeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from sslbench.leaderboard.across.pairs import Pair, RankedSweep, Setting
from sslbench.leaderboard.intervals import ArmScores, Estimate, t_interval
from sslbench.leaderboard.standing import best_by_validation


@dataclass(frozen=True, kw_only=True)
class Contest:
    """What one sweep says: its best SSL arm against its best baseline, both best by validation."""

    dataset: str
    sweep: str
    ssl: str  # methods, as their sweep calls them
    baseline: str
    difference: Estimate  # of test scores, paired within the sweep
    verdict: str


@dataclass(frozen=True, kw_only=True)
class SettingVerdict:
    """What all sweeps of one setting say together."""

    setting: Setting
    sentence: str
    difference: (
        Estimate | None
    )  # mean over data sets, each weighing the same; None from fewer than two
    contests: tuple[Contest, ...]
    silent: tuple[str, ...]  # sweeps without a verdict pair, and what they say instead


def setting_verdict(setting: Setting, pairs: Sequence[Pair]) -> SettingVerdict:
    """Return the verdict over the pairs of one setting; of a single data set only what its sweep says itself.

    Differences of several sweeps on one data set are averaged first. The interval is a t interval over data sets.
    """
    found = [(pair, sweep, contest_of(pair, sweep)) for pair in pairs for sweep in pair.sweeps]
    contests = tuple(contest for _, _, contest in found if contest is not None)
    silent = tuple(
        f"{sweep.facts.sweep} on {pair.dataset}: {sweep.board.verdict}"
        for pair, sweep, contest in found
        if contest is None
    )
    difference = _difference(contests)
    baselines = {s.board.baseline for p in pairs for s in p.sweeps if s.board.reference}
    named = baselines.pop() if len(baselines) == 1 else ""
    return SettingVerdict(
        setting=setting,
        sentence=_sentence(contests, difference, baseline=named, metric=_metric(pairs)),
        difference=difference,
        contests=contests,
        silent=silent,
    )


def contest_of(pair: Pair, sweep: RankedSweep) -> Contest | None:
    """Return the verdict pair of a sweep; None if it has no SSL arm or no baseline with a score."""
    board = sweep.board
    reference = board.row(board.reference or "")
    ssl = best_by_validation(
        {
            row.arm: row.validation
            for row in board.rows
            if row.regime == "self-supervised" and not row.is_control
        }
    )
    row = board.row(ssl or "")
    if row is None or reference is None or row.difference is None:
        return None
    return Contest(
        dataset=pair.dataset,
        sweep=sweep.facts.sweep,
        ssl=row.method,
        baseline=reference.method,
        difference=row.difference,
        verdict=board.verdict,
    )


def _difference(contests: Sequence[Contest]) -> Estimate | None:
    datasets = sorted({contest.dataset for contest in contests})
    if len(datasets) < 2:
        return None
    means = [fmean(c.difference.mean for c in contests if c.dataset == name) for name in datasets]
    return t_interval(ArmScores(mean=fmean(means), per_unit=np.array(means)))


def _sentence(
    contests: Sequence[Contest], difference: Estimate | None, *, baseline: str, metric: str
) -> str:
    if not contests:
        return "No verdict: no sweep has both an SSL arm and a baseline with a score."
    if difference is None:
        said = " ".join(f"{c.sweep}: {c.verdict}" for c in contests)
        return f"On {contests[0].dataset} alone, so no more than its sweep says: {said}"
    datasets = len({contest.dataset for contest in contests})
    best = f"the best {baseline} baseline" if baseline else "the best baseline"
    over = f"over {datasets} data sets"
    low, high = _signed(difference.low), _signed(difference.high)
    if difference.spans_zero:
        size = f"{_signed(difference.mean)} {metric} (95 % interval {low} to {high})"
        said = f"SSL ties: not separable from {best} {over}, {size}"
    else:
        outcome = "wins" if difference.mean > 0 else "loses"
        size = (
            f"{abs(difference.mean):.3f} {metric} (95 % interval of the difference {low} to {high})"
        )
        said = f"SSL {outcome} by {size} against {best} {over}"
    return f"{said}; {_counts(contests)}."


def _counts(contests: Sequence[Contest]) -> str:
    """Return how many sweeps say what by themselves: `of 4 sweeps it is separably ahead in 2, behind in 1, tied in 1`."""
    ahead = sum(c.difference.low > 0 for c in contests)
    behind = sum(c.difference.high < 0 for c in contests)
    tied = len(contests) - ahead - behind
    return (
        f"of {len(contests)} sweeps by themselves it is separably ahead in {ahead}, behind in {behind}, "
        f"not separable in {tied}"
    )


def _metric(pairs: Sequence[Pair]) -> str:
    return pairs[0].sweeps[0].board.metric.words


def _signed(value: float) -> str:
    shown = f"{abs(value):.3f}"
    return shown if float(shown) == 0 else f"{'+' if value > 0 else '−'}{shown}"
