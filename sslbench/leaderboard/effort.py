"""What the search of each arm cost, and what went wrong in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from sslbench.discretion import without_home
from sslbench.leaderboard.board import FailureGroup, Row, SearchEffort
from sslbench.leaderboard.facts import SweepFacts
from sslbench.results import TrialRecord


def search_effort(records: Iterable[TrialRecord], *, arm: str, facts: SweepFacts) -> SearchEffort:
    """Count the search trials of `arm` by how they ended, and their wall time."""
    searched = [r for r in records if r.arm == arm and r.stage == "search"]
    outcomes = Counter(r.outcome for r in searched)
    n_collapsed = sum(r.collapsed for r in searched)
    plan = next((planned for planned in facts.arms if planned.name == arm), None)
    return SearchEffort(
        n_finished=outcomes["finished"],
        n_stopped=outcomes["stopped"],
        n_collapsed=n_collapsed,
        n_failed=outcomes["failed"] - n_collapsed,
        seconds=sum(r.ended_unix_ms - r.started_unix_ms for r in searched) / 1000.0,
        n_planned=plan.n_trials if plan else facts.budget_trials,
        exhausted=plan.exhausted if plan else False,
        max_updates=plan.max_updates if plan else None,
    )


def default_score(records: Iterable[TrialRecord], *, arm: str, facts: SweepFacts) -> float | None:
    """Return the objective of the arm's default recipe in the search; None if no trial of it ran to its end.

    A trial that was stopped has seen less than the chosen recipe, and would flatter the tuning.
    """
    plan = next((planned for planned in facts.arms if planned.name == arm), None)
    if plan is None or plan.default_params is None:
        return None
    tried = [r for r in records if r.arm == arm and r.stage == "search" and r.outcome == "finished"]
    return next((r.score for r in tried if r.params == plan.default_params), None)


def unequal_efforts(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the rows that were searched by fewer trials, or trained for fewer updates a trial, than another.

    A space that was tried whole needs no more trials, and an arm without gradients no updates.
    """
    rows = [row for row in rows if not row.is_control]
    most_trials = max((row.effort.n_trials for row in rows), default=0)
    most_updates = max((row.effort.max_updates or 0 for row in rows), default=0)
    for row in rows:
        effort = row.effort
        if effort.short_of_plan:
            yield (
                f"{row.arm}: searched {effort.n_trials} of {effort.n_planned} planned trials, "
                "so the budgets are not equal"
            )
        elif effort.n_trials < most_trials and not effort.exhausted:
            yield (
                f"{row.arm}: {effort.n_trials} search trials where another arm has {most_trials}, "
                "so the budgets are not equal"
            )
        if effort.max_updates is not None and effort.max_updates < most_updates:
            yield (
                f"{row.arm}: at most {effort.max_updates:,} updates a trial where another arm has "
                f"{most_updates:,}, so the budgets are not equal"
            )


def failure_groups(records: Sequence[TrialRecord]) -> tuple[FailureGroup, ...]:
    """Group the failed trials by arm, stage, kind and the first line of the message; most frequent first."""
    groups = Counter(
        (r.arm, r.stage, r.failure.kind, without_home(_first_line(r.failure.message)))
        for r in records
        if r.failure is not None
    )
    ordered = sorted(groups.items(), key=lambda item: (-item[1], item[0]))
    return tuple(
        FailureGroup(arm=arm, stage=stage, kind=kind, message=message, n_trials=n)
        for (arm, stage, kind, message), n in ordered
    )


def _first_line(message: str) -> str:
    return next((line.strip() for line in message.splitlines() if line.strip()), "no message")
