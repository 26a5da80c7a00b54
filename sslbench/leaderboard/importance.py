"""Which searched options the score depends on: the record that the search fills and that pages show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ParameterImportance:
    """The share of the differences between an arm's trials that one searched option explains by itself.

    `low` to `high` are the central 95 % of what it is when the trials are drawn anew, with replacement; `chance` is
    what 19 of 20 made-up options without any effect stayed below, drawn alike. All in [0, 1].
    """

    parameter: str
    importance: float
    low: float
    high: float
    chance: float
    n_trials: int  # that were asked for this option

    @property
    def stands_out(self) -> bool:
        """Whether it explains more than an option without any effect is likely to."""
        return self.importance > self.chance


@dataclass(frozen=True, kw_only=True)
class ArmImportance:
    """What is known of the searched options of one arm."""

    arm: str
    updates: (
        int | None
    )  # all its trials are judged by what they had here; None: by their final scores
    parameters: tuple[ParameterImportance, ...] = ()  # most important first
    missing: tuple[str, ...] = ()  # options of which nothing is said, with the reason

    @property
    def foremost(self) -> ParameterImportance | None:
        """The most important option, if it stands out."""
        return next((p for p in self.parameters if p.stands_out), None)
