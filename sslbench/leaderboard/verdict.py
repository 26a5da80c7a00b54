"""The sentence at the top: did self-supervision beat the best supervised baseline here, and how surely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sslbench.leaderboard.board import Row
from sslbench.leaderboard.caveats import MIN_DONORS, MIN_SEEDS
from sslbench.leaderboard.comparison import Comparison
from sslbench.leaderboard.facts import SweepFacts
from sslbench.leaderboard.statistics import Estimate
from sslbench.results import TrialRecord

NOT_SEPARABLE = (
    "No SSL arm is separable from the best supervised baseline on this data at this budget."
)


def best_by_validation(validation: Mapping[str, float]) -> str | None:
    """Return the arm with the best validation score, the first by name among equals; None without arms."""
    return min(validation, key=lambda arm: (-validation[arm], arm), default=None)


def verdict(rows: Sequence[Row], comparison: Comparison, *, facts: SweepFacts) -> str:
    """Compare the best SSL arm with the best supervised arm, both best by validation, in one sentence."""
    ssl = _best_row(rows, regime="self-supervised")
    supervised = _best_row(rows, regime="supervised")
    if ssl is None or supervised is None:
        return _no_comparison(facts, missing="self-supervised" if ssl is None else "supervised")
    difference = comparison.difference(ssl.arm, supervised.arm)
    few_seeds = min(len(ssl.seeds), len(supervised.seeds)) < MIN_SEEDS
    if difference.spans_zero:
        return _not_separable(rows) + _seeds_clause(few_seeds)
    outcome = "wins" if difference.mean > 0 else "loses"
    return (
        f"SSL {outcome} by {_size(difference)}: {ssl.method} ({ssl.protocol}) against "
        f"{supervised.method} ({supervised.protocol}), {_scope(comparison)}."
        + _seeds_clause(few_seeds)
    )


def verdict_without_rows(records: Sequence[TrialRecord]) -> str:
    """Say why there is no leaderboard."""
    n_failed = sum(r.outcome == "failed" for r in records)
    if not records:
        return "No verdict: no trial has ended yet."
    if n_failed == len(records):
        return f"No verdict: every trial failed ({n_failed} of {n_failed})."
    return (
        f"No verdict: no arm has been confirmed ({len(records)} trials ended, {n_failed} failed)."
    )


def _best_row(rows: Sequence[Row], *, regime: str) -> Row | None:
    of_regime = {row.arm: row for row in rows if row.regime == regime}
    best = best_by_validation({arm: row.validation for arm, row in of_regime.items()})
    return of_regime[best] if best is not None else None


def _no_comparison(facts: SweepFacts, *, missing: str) -> str:
    planned = [arm.name for arm in facts.arms if arm.regime == missing]
    if planned:
        return f"No verdict: no {missing} arm was confirmed (planned: {', '.join(planned)})."
    return f"No verdict: this sweep has no {missing} arm, so there is nothing to compare."


def _not_separable(rows: Sequence[Row]) -> str:
    """Say that nothing is separable, or, where another SSL arm than the validated one is, only what was tested."""
    others = [r for r in rows if r.regime == "self-supervised" and r.difference is not None]
    if all(row.difference is not None and row.difference.spans_zero for row in others):
        return NOT_SEPARABLE
    return (
        "The SSL arm that is best by validation is not separable from the best supervised baseline "
        "on this data at this budget."
    )


def _size(difference: Estimate) -> str:
    sign = 1.0 if difference.mean > 0 else -1.0
    low, high = sorted((sign * difference.low, sign * difference.high))
    digits = 2 if low >= 0.01 else 3
    size = f"{sign * difference.mean:.{digits}f}"
    return f"{size} (95 % interval {low:.{digits}f} to {high:.{digits}f})"


def _scope(comparison: Comparison) -> str:
    n_donors = len(comparison.cells.donors)
    if n_donors == 0:
        return "on these test cells"
    if n_donors == 1:
        return "on the cells of this one test donor"
    return f"on these {n_donors} test donors" if n_donors < MIN_DONORS else "over test donors"


def _seeds_clause(few_seeds: bool) -> str:
    return f" Fewer than {MIN_SEEDS} seeds: too few to believe." if few_seeds else ""
