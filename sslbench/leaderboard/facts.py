"""What the leaderboard is told about a sweep beside its records: the question, the plan, the data, the versions."""

from __future__ import annotations

from dataclasses import dataclass

from sslbench.results import MetricKey, Regime

RANKED_METRIC = "macro_f1"


@dataclass(frozen=True, kw_only=True)
class PlannedArm:
    """One arm as the sweep planned it."""

    name: str
    pretext: str
    encoder: str
    regime: Regime
    n_trials: int  # min(budget, size of the space)
    exhausted: bool = False  # True: the whole space is smaller than the budget and was tried


@dataclass(frozen=True, kw_only=True)
class SweepFacts:
    """One sweep on one data set, in words and numbers that are shown but never computed with."""

    sweep: str
    question: str
    dataset: str
    data_line: str  # cells x genes, donors, cell types, counts slot
    split_line: str  # which donors train, validate, test; leak checks
    label_names: tuple[str, ...]  # the fixed label set: code → name
    excluded_labels: tuple[str, ...]  # with the reason, e.g. "Platelet (3 test cells)"
    test_donors: tuple[str, ...]  # empty: split by cells
    budget_trials: int  # search trials an arm may use
    confirm_seeds: int  # fresh seeds an arm is confirmed on
    objective: str  # the validation score that the search maximised
    versions: tuple[tuple[str, str], ...]  # software and data: name, version
    commit: str  # with "+ uncommitted changes" where the tree was dirty
    arms: tuple[PlannedArm, ...]
    notes: tuple[str, ...] = ()  # further things a reader must know

    @property
    def objective_protocol(self) -> str:
        """The evaluation task of the objective."""
        return MetricKey.parse(self.objective).task
