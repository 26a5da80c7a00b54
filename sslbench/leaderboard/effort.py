"""What the search of each arm cost, and what went wrong in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from sslbench.leaderboard.board import FailureGroup, SearchEffort
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
    )


def failure_groups(records: Sequence[TrialRecord]) -> tuple[FailureGroup, ...]:
    """Group the failed trials by arm, stage, kind and the first line of the message; most frequent first."""
    groups = Counter(
        (r.arm, r.stage, r.failure.kind, _first_line(r.failure.message))
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
