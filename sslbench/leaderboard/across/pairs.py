"""From the sweeps of a store to what they share: a score for each method on each (data set, task) pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sslbench.leaderboard.board import Leaderboard, Row
from sslbench.leaderboard.facts import SweepFacts
from sslbench.results import MetricKey, Regime


@dataclass(frozen=True, kw_only=True)
class RankedSweep:
    """One sweep on one data set: its leaderboard, and what that was told."""

    board: Leaderboard
    facts: SweepFacts


@dataclass(frozen=True, kw_only=True, order=True)
class Setting:
    """What makes two sweeps answers to one question: whose cells were pretrained on, which task, how many labels."""

    scenario: str
    task: str
    label_fraction: float = 1.0  # of the labels that exist at all

    @property
    def words(self) -> str:
        """The setting as a heading."""
        few = f", {100 * self.label_fraction:g} % of the labels" if self.label_fraction < 1 else ""
        return f"{self.scenario} · {self.task}{few}"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One method on one pair: the row that stands for it."""

    method: str
    regime: Regime
    test: float  # mean over the seeds of the arm's chosen recipe
    validation: float
    arm: str
    protocol: str
    sweep: str
    n_arms: int  # arms of this method on this pair, of which the best by validation is shown


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One data set in one setting, with every method that was confirmed on it."""

    setting: Setting
    dataset: str
    entries: Mapping[str, Entry]  # by method
    sweeps: tuple[RankedSweep, ...]  # newest first

    @property
    def name(self) -> str:
        """The pair in words; the scenario goes without saying beside others of the same."""
        few = f" ({100 * self.setting.label_fraction:g} % of the labels)"
        return (
            f"{self.dataset}: {self.setting.task}{few if self.setting.label_fraction < 1 else ''}"
        )


def setting_of(sweep: RankedSweep) -> Setting:
    """Return the setting of a sweep: metrics that mean the same by every task are one task, others are named with theirs."""
    metric = sweep.board.metric
    task = metric.words
    if not metric.of_every_task:
        task = f"{MetricKey.parse(sweep.facts.objective).evaluation}, {metric.words}"
    facts = sweep.facts
    return Setting(scenario=facts.scenario, task=task, label_fraction=facts.label_fraction)


def method_of(row: Row, facts: SweepFacts) -> str:
    """Return the key by which rows of several sweeps are one method: `pretext task/encoder`, whatever the arm is called."""
    planned = next((arm for arm in facts.arms if arm.name == row.arm), None)
    return f"{planned.pretext}/{planned.encoder}" if planned else row.method


def pairs_of(sweeps: Sequence[RankedSweep]) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
    """Return the pairs of the sweeps, given newest first, and what a reader must know of how they were made.

    Sweeps of one setting on one data set are one pair, if they tested on the same donors and label set; of those that
    did not, the newest counts.
    """
    groups: dict[tuple[Setting, str], list[RankedSweep]] = {}
    for sweep in sweeps:
        if sweep.board.rows:
            groups.setdefault((setting_of(sweep), sweep.facts.dataset), []).append(sweep)
    pairs, notes = [], []
    for (setting, dataset), found in sorted(groups.items(), key=lambda item: item[0]):
        alike = [sweep for sweep in found if _tested_on(sweep) == _tested_on(found[0])]
        others = [sweep.facts.sweep for sweep in found if sweep not in alike]
        pair = Pair(setting=setting, dataset=dataset, entries=_entries(alike), sweeps=tuple(alike))
        if others:
            notes.append(
                f"{pair.name}: {', '.join(others)} tested on other donors or another label set than the newer "
                f"{found[0].facts.sweep}, left out"
            )
        pairs.append(pair)
    return tuple(pairs), (*notes, *_notes(pairs))


def _tested_on(sweep: RankedSweep) -> tuple[object, ...]:
    return sweep.facts.test_donors, sweep.facts.label_names


def _entries(sweeps: Sequence[RankedSweep]) -> dict[str, Entry]:
    rows: dict[str, list[tuple[Row, RankedSweep]]] = {}
    for sweep in sweeps:
        for row in (row for row in sweep.board.rows if not row.is_control):
            rows.setdefault(method_of(row, sweep.facts), []).append((row, sweep))
    return {method: _entry(method, rows[method]) for method in sorted(rows)}


def _entry(method: str, rows: Sequence[tuple[Row, RankedSweep]]) -> Entry:
    row, sweep = max(rows, key=lambda found: found[0].validation)  # of equal ones the newest
    return Entry(
        method=method,
        regime=row.regime,
        test=row.test.mean,
        validation=row.validation,
        arm=row.arm,
        protocol=row.protocol,
        sweep=sweep.facts.sweep,
        n_arms=len(rows),
    )


def _notes(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Return what mixes sweeps, each sentence once with the pairs that it holds for."""
    said: dict[str, list[str]] = {}
    for pair in pairs:
        several = [f"{e.method} of {e.n_arms}" for e in pair.entries.values() if e.n_arms > 1]
        if several:
            said.setdefault(
                "several arms of one method, of which the best by validation counts, so that it had more than one "
                f"budget: {', '.join(several)}",
                [],
            ).append(pair.name)
        budgets = {s.facts.sweep: s.facts.budget_trials for s in pair.sweeps}
        if len(set(budgets.values())) > 1:
            named = ", ".join(f"{sweep} {n}" for sweep, n in budgets.items())
            said.setdefault(f"unequal search trials an arm: {named}", []).append(pair.name)
    return tuple(f"{'; '.join(names)}: {words}" for words, names in said.items())
