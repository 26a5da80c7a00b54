"""What pretraining gains at fewer labels, for every sweep that asked, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sslbench.leaderboard.across.pairs import RankedSweep, Setting, setting_of
from sslbench.leaderboard.board import LabelCurve


@dataclass(frozen=True, kw_only=True)
class GainCurve:
    """The curve of one sweep; gains are those of its best SSL arm over its best supervised arm at each share."""

    setting: Setting
    dataset: str
    sweep: str
    curve: LabelCurve

    @property
    def name(self) -> str:
        """The curve in words."""
        return f"{self.dataset} ({self.sweep}, {self.setting.words})"

    @property
    def break_even_labels(self) -> int | None:
        """Labelled training cells at break-even; None where there is none, or where they were not counted."""
        at = [p.n_labels for p in self.curve.points if p.fraction == self.curve.break_even]
        return at[0] if at else None


def gain_curves(sweeps: Sequence[RankedSweep]) -> tuple[GainCurve, ...]:
    """Return the curves in the order of data sets; sweeps that asked for no further share have none."""
    found = [
        GainCurve(
            setting=setting_of(sweep),
            dataset=sweep.facts.dataset,
            sweep=sweep.facts.sweep,
            curve=sweep.board.label_curve,
        )
        for sweep in sweeps
        if sweep.board.label_curve is not None
        and any(point.gain is not None for point in sweep.board.label_curve.points)
    ]
    return tuple(sorted(found, key=lambda g: (g.dataset, g.setting, g.sweep)))
