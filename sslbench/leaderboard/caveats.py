"""What a reader must know before believing a row: how far the intervals reach, and where the comparison limps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sslbench.leaderboard.board import Row
from sslbench.leaderboard.comparison import Comparison
from sslbench.leaderboard.facts import SweepFacts

MIN_SEEDS = 3
MIN_DONORS = 6


def stamp(comparison: Comparison) -> str:
    """Return the sentence that says which cells and donors the intervals speak for."""
    n_donors = comparison.n_donors
    if comparison.unit == "seeds":
        return "intervals are over seeds alone: they say nothing about other cells or other donors"
    if n_donors == 0:
        return "split by cells, not by donors: says nothing about other donors"
    if n_donors == 1:
        return "one test donor: says nothing about other donors"
    if n_donors < MIN_DONORS:
        return (
            f"{n_donors} test donors: intervals are over donors, no claim beyond these {n_donors}"
        )
    return f"{n_donors} test donors: intervals are over donors"


def notes_on(rows: Sequence[Row], *, facts: SweepFacts) -> tuple[str, ...]:
    """Return what limits single rows, then what the sweep itself wants said."""
    limits = (_few_seeds, _short_searches, _reopened, _judged_otherwise)
    return (*(line for of in limits for line in of(rows)), *facts.notes)


def short_arms(rows: Sequence[Row], *, facts: SweepFacts) -> Iterator[str]:
    """Yield the arms that were confirmed on fewer seeds than planned."""
    for row in rows:
        if len(row.seeds) < facts.confirm_seeds:
            yield f"{row.arm}: confirmed on {len(row.seeds)} of {facts.confirm_seeds} seeds"


def _few_seeds(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        if len(row.seeds) == 1 and not row.test.is_known:
            yield f"{row.arm}: one seed, and seeds are all that an interval could be made of: it has none"
        elif len(row.seeds) == 1:
            yield f"{row.arm}: one seed, so its interval knows nothing of the luck of the seed"
        elif len(row.seeds) < MIN_SEEDS:
            yield f"{row.arm}: only {len(row.seeds)} seeds; {MIN_SEEDS} are the least to believe"


def _short_searches(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        if row.effort.short_of_plan:
            yield (
                f"{row.arm}: searched {row.effort.n_trials} of {row.effort.n_planned} planned trials, "
                "so the budgets are not equal"
            )


def _judged_otherwise(rows: Sequence[Row]) -> Iterator[str]:
    arms = [f"{r.arm} (by {r.chosen_by})" for r in rows if r.chosen_by != r.protocol]
    if arms:
        yield (
            "recipes chosen by another protocol than the one that ranks, which validation preferred "
            f"afterwards: {', '.join(arms)}"
        )


def _reopened(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        if row.n_test_openings > 1:
            yield (
                f"{row.arm}: test opened {row.n_test_openings} times (as many recipes were confirmed); "
                "only the one now best by validation is shown"
            )
