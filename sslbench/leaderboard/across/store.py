"""All sweeps of a store as one record: when does self-supervision help? Renderers draw from it and compute nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sslbench.leaderboard.across.complete import Block, holes_of, largest_complete, left_out_of
from sslbench.leaderboard.across.gains import GainCurve, gain_curves
from sslbench.leaderboard.across.pairs import Pair, RankedSweep, pairs_of
from sslbench.leaderboard.across.ranks import MethodRank, rank_methods, why_no_interval
from sslbench.leaderboard.across.separation import Separation, separate
from sslbench.leaderboard.across.stability import Stability, leave_one_out
from sslbench.leaderboard.across.verdicts import SettingVerdict, setting_verdict


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Methods over the pairs of one setting, or of all settings of one scenario."""

    title: str
    pairs: tuple[Pair, ...]  # all, those with holes too
    block: Block  # what is averaged over
    rows: tuple[MethodRank, ...]
    no_intervals: str | None  # why the rows have none
    left_out: tuple[str, ...]
    holes: tuple[str, ...]
    separation: Separation | str  # or why there is no diagram
    stability: Stability | str  # or why it is not asked


@dataclass(frozen=True, kw_only=True)
class AcrossSweeps:
    """What the sweeps of a store say together."""

    n_sweeps: int
    pairs: tuple[Pair, ...]  # every data set in every setting, with its scores
    verdicts: tuple[SettingVerdict, ...]
    rankings: tuple[Ranking, ...]
    gains: tuple[GainCurve, ...]
    notes: tuple[str, ...] = ()

    @property
    def extent(self) -> tuple[str, str, str]:
        """How many sweeps, data sets and pairs, in words."""
        n_datasets, n_pairs = len({pair.dataset for pair in self.pairs}), len(self.pairs)
        return (
            f"{self.n_sweeps} sweep{'s' * (self.n_sweeps != 1)}",
            f"{n_datasets} data set{'s' * (n_datasets != 1)}",
            f"{n_pairs} pair{'s' * (n_pairs != 1)} of data set and task",
        )


def across_sweeps(sweeps: Sequence[RankedSweep]) -> AcrossSweeps:
    """Compare the sweeps, given newest first, one leaderboard for each sweep and data set."""
    pairs, notes = pairs_of(sweeps)
    settings = sorted({pair.setting for pair in pairs})
    of = {setting: [p for p in pairs if p.setting == setting] for setting in settings}
    groups = [(setting.words, of[setting]) for setting in settings]
    for scenario in sorted({setting.scenario for setting in settings}):
        together = [pair for pair in pairs if pair.setting.scenario == scenario]
        if len({pair.setting for pair in together}) > 1:
            groups.append((f"{scenario} · all tasks", together))
    rankings = [_ranking(title, found) for title, found in groups]
    return AcrossSweeps(
        n_sweeps=len(sweeps),
        pairs=pairs,
        verdicts=tuple(setting_verdict(setting, of[setting]) for setting in settings),
        rankings=tuple(ranking for ranking in rankings if ranking is not None),
        gains=gain_curves(sweeps),
        notes=notes,
    )


def _ranking(title: str, pairs: Sequence[Pair]) -> Ranking | None:
    """Return the ranking; None where no pair has two methods."""
    block = largest_complete(pairs)
    if block is None:
        return None
    return Ranking(
        title=title,
        pairs=tuple(pairs),
        block=block,
        rows=rank_methods(block),
        no_intervals=why_no_interval(block),
        left_out=left_out_of(block, pairs),
        holes=holes_of(pairs),
        separation=separate(block),
        stability=leave_one_out(block),
    )
