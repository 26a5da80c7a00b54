"""What a reader must know before believing a row: how far the intervals reach, and where the comparison limps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sslbench.leaderboard.board import Row, Unit
from sslbench.leaderboard.comparison import Comparison
from sslbench.leaderboard.effort import unequal_efforts
from sslbench.leaderboard.facts import SweepFacts
from sslbench.leaderboard.significance import ALPHA, p_words

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


def notes_on(rows: Sequence[Row], *, facts: SweepFacts, unit: Unit) -> tuple[str, ...]:
    """Return what limits single rows, then what the sweep itself wants said."""
    without_spread = _without_spread(rows) if unit == "seeds" else ()
    limits = (_few_seeds, unequal_efforts, _reopened, _judged_otherwise, _not_after_correction)
    return (*(line for of in limits for line in of(rows)), *without_spread, *facts.notes)


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


def _without_spread(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        if len(row.seeds) > 1 and not row.test.is_known:
            yield (
                f"{row.arm}: no spread over seeds: the arm is deterministic, and seeds are all that an interval "
                "could be made of: it has none"
            )


def _not_after_correction(rows: Sequence[Row]) -> Iterator[str]:
    n_compared = sum(row.p_holm is not None for row in rows)
    arms = [
        f"{row.arm} (p {p_words(row.p_holm)})"
        for row in rows
        if row.p_holm is not None and row.p_holm > ALPHA
        if row.difference is not None and not row.difference.spans_zero
    ]
    if arms:
        yield (
            f"the interval of the difference leaves 0 out, but not after correction for the {n_compared} arms "
            f"compared: {', '.join(arms)}"
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
