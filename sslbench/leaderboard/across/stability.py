"""How much the order of methods hangs on a single pair: every pair left out once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sslbench.leaderboard.across.complete import Block
from sslbench.leaderboard.across.ranks import pair_ranks
from sslbench.leaderboard.kendall import tau_b

MIN_PAIRS = 3


@dataclass(frozen=True, kw_only=True)
class Stability:
    """What leaving one pair out does to the order."""

    lowest_tau: float  # Kendall's tau-b of the order without a pair with that of all pairs: 1 is the same order
    highest_tau: float
    moves: tuple[str, ...]  # who changes place, and without which pair


def leave_one_out(block: Block) -> Stability | str:
    """Return how the order changes when one pair is left out, or why that is not asked."""
    if len(block.pairs) < MIN_PAIRS:
        return f"from {MIN_PAIRS} pairs on, here are {len(block.pairs)}"
    whole = pair_ranks(block.scores).mean(axis=0)
    places = _places(whole)
    taus, moves = [], []
    for i, pair in enumerate(block.pairs):
        ranks = pair_ranks(block.without(i).scores).mean(axis=0)
        taus.append(agreement(whole, ranks))
        moved = [
            f"{method} {before:g} → {after:g}"
            for method, before, after in sorted(
                zip(block.methods, places, _places(ranks), strict=True), key=lambda m: m[1:]
            )
            if before != after
        ]
        if moved:
            moves.append(f"without {pair.name}: {', '.join(moved)}")
    return Stability(lowest_tau=min(taus), highest_tau=max(taus), moves=tuple(moves))


def agreement(one: np.ndarray, other: np.ndarray) -> float:
    """Return Kendall's tau-b of two lists of mean ranks (n,), in [−1, 1]; 1 if both are one tie, 0 if only one is."""
    a, b = (np.round(x, 9) for x in (one, other))  # means that are equal but for their last digits
    tau = tau_b(a, b)
    return float(np.ptp(a) == np.ptp(b)) if np.isnan(tau) else tau


def _places(mean_ranks: np.ndarray) -> np.ndarray:
    """Return the place of each mean rank (n,), lowest 1; equal ones share the best place."""
    lower = np.round(mean_ranks[None, :] - mean_ranks[:, None], 9) < 0
    return np.asarray(1 + lower.sum(axis=1))
