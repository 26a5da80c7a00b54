"""The sentence at the top: did self-supervision beat the best supervised baseline here, and how surely."""

from __future__ import annotations

from collections.abc import Sequence

from sslbench.leaderboard.board import Row
from sslbench.leaderboard.caveats import MIN_DONORS, MIN_SEEDS
from sslbench.leaderboard.comparison import Comparison
from sslbench.leaderboard.facts import SweepFacts
from sslbench.leaderboard.intervals import Estimate
from sslbench.leaderboard.significance import ALPHA, p_words
from sslbench.leaderboard.standing import best_by_validation
from sslbench.results import Regime, TrialRecord

NOT_SEPARABLE = (
    "No SSL arm is separable from the best supervised baseline on this data at this budget."
)


def verdict(rows: Sequence[Row], comparison: Comparison, *, facts: SweepFacts) -> str:
    """Compare the best SSL arm with the best baseline, both best by validation, in one sentence.

    That one pair was chosen before any test score was seen, so that its interval needs no correction. What is said of
    other SSL arms beside it is corrected for the number of arms compared.
    """
    ssl = _best_row(rows, ["self-supervised"])
    baseline = _best_row(rows, facts.baselines)
    if ssl is None or baseline is None:
        missing: tuple[Regime, ...] = ("self-supervised",) if ssl is None else facts.baselines
        return _no_comparison(facts, missing=missing)
    difference = comparison.difference(ssl.arm, baseline.arm)
    few_seeds = min(len(ssl.seeds), len(baseline.seeds)) < MIN_SEEDS
    if difference.spans_zero:
        return _not_separable(rows, facts) + _seeds_clause(few_seeds)
    outcome = "wins" if difference.mean > 0 else "loses"
    return (
        f"SSL {outcome} by {_size(difference, comparison)}: {ssl.method} ({ssl.protocol}) against "
        f"{baseline.method} ({baseline.protocol}), {_scope(comparison)}." + _seeds_clause(few_seeds)
    )


def verdict_without_rows(records: Sequence[TrialRecord], *, n_stale: int = 0) -> str:
    """Say why there is no leaderboard; `n_stale` trials beside `records` are of other versions."""
    n_failed = sum(r.outcome == "failed" for r in records)
    if n_stale:
        return (
            f"No verdict: no arm has a row under the present versions ({n_stale} trials are stale)."
        )
    if not records:
        return "No verdict: no trial has ended yet."
    if n_failed == len(records):
        return f"No verdict: every trial failed ({n_failed} of {n_failed})."
    return (
        f"No verdict: no arm has been confirmed ({len(records)} trials ended, {n_failed} failed)."
    )


def _best_row(rows: Sequence[Row], regimes: Sequence[Regime]) -> Row | None:
    of_regime = {row.arm: row for row in rows if row.regime in regimes and not row.is_control}
    best = best_by_validation({arm: row.validation for arm, row in of_regime.items()})
    return of_regime[best] if best is not None else None


def _no_comparison(facts: SweepFacts, *, missing: Sequence[Regime]) -> str:
    arms = [arm for arm in facts.arms if arm.name not in facts.copies | facts.controls]
    planned, named = [arm.name for arm in arms if arm.regime in missing], " or ".join(missing)
    if planned:
        return f"No verdict: no {named} arm was confirmed (planned: {', '.join(planned)})."
    return f"No verdict: this sweep has no {named} arm, so there is nothing to compare."


def _not_separable(rows: Sequence[Row], facts: SweepFacts) -> str:
    """Say that nothing is separable, or, where the interval of another SSL arm is, what is left of it corrected."""
    ssl = [r for r in rows if r.regime == "self-supervised" and r.difference is not None]
    others = [r for r in ssl if r.difference is not None and not r.difference.spans_zero]
    if not others:
        return NOT_SEPARABLE.replace("supervised", facts.baseline)
    n_compared = sum(row.p_holm is not None for row in rows)
    return (
        "The SSL arm that is best by validation is not separable from the best "
        f"{facts.baseline} baseline on this data at this budget; corrected for the {n_compared} arms compared, "
        f"{_left_after_correction(others)}."
    )


def _left_after_correction(others: Sequence[Row]) -> str:
    left = [row for row in others if row.p_holm is not None and row.p_holm <= ALPHA]
    said = [
        f"{row.method} is {'ahead' if row.difference and row.difference.mean > 0 else 'behind'} (p {p_words(row.p_holm)})"
        for row in left
    ]
    return ", ".join(said) or "no other SSL arm is"


def _size(difference: Estimate, comparison: Comparison) -> str:
    """Return e.g. `0.03 macro F1 (95 % interval 0.01 to 0.05)`; macro F1, the usual metric, goes without saying."""
    sign = 1.0 if difference.mean > 0 else -1.0
    low, high = sorted((sign * difference.low, sign * difference.high))
    digits = 2 if low >= 0.01 else 3
    metric = comparison.measure.metric
    of = "" if metric.of_labels else f" in {metric.words}"
    size = f"{sign * difference.mean:.{digits}f}{of}"
    return f"{size} (95 % interval {low:.{digits}f} to {high:.{digits}f})"


def _scope(comparison: Comparison) -> str:
    n_donors = comparison.n_donors
    if comparison.unit == "seeds":
        return "over seeds, on these test cells alone"
    if n_donors == 0:
        return "on these test cells"
    if n_donors == 1:
        return "on the cells of this one test donor"
    return f"on these {n_donors} test donors" if n_donors < MIN_DONORS else "over test donors"


def _seeds_clause(few_seeds: bool) -> str:
    return f" Fewer than {MIN_SEEDS} seeds: too few to believe." if few_seeds else ""
