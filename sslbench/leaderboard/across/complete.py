"""The part of methods x pairs that has no hole: what may be averaged over, and what must be left out for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sslbench.leaderboard.across.pairs import Pair


@dataclass(frozen=True, kw_only=True)
class Block:
    """Methods that were all scored on the same pairs."""

    methods: tuple[str, ...]  # by name
    pairs: tuple[Pair, ...]

    @property
    def scores(self) -> np.ndarray:
        """Mean test scores (n_pairs, n_methods)."""
        return np.array([[p.entries[m].test for m in self.methods] for p in self.pairs])

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data set of each pair."""
        return tuple(pair.dataset for pair in self.pairs)

    def without(self, left_out: int) -> Block:
        """Return the block without one of its pairs."""
        kept = tuple(pair for i, pair in enumerate(self.pairs) if i != left_out)
        return Block(methods=self.methods, pairs=kept)


def largest_complete(pairs: Sequence[Pair]) -> Block | None:
    """Return the complete block with the largest (methods − 1) x (pairs − 1); None if no pair has two methods.

    That is the freedom of a two-way table, so that neither a single pair with many methods nor a single method on many
    pairs is preferred. Blocks in which an SSL method meets another come first; of equal ones that with more pairs.
    """
    found = [_block(methods, pairs) for methods in _shared(pairs) if len(methods) > 1]
    return max(found, key=_worth, default=None)


def holes_of(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Return which pairs, that others have, which methods miss: those that miss the same ones in one line."""
    methods = sorted({method for pair in pairs for method in pair.entries})
    missing: dict[tuple[str, ...], list[str]] = {}
    for method in methods:
        missed = tuple(pair.name for pair in pairs if method not in pair.entries)
        missing.setdefault(missed, []).append(method)
    return tuple(
        f"no score on {len(missed)} of {len(pairs)} pairs ({', '.join(missed)}): {', '.join(which)}"
        for missed, which in missing.items()
        if missed
    )


def left_out_of(block: Block, pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Return the sentences that say which methods and pairs the block does not hold."""
    methods = sorted({m for pair in pairs for m in pair.entries} - set(block.methods))
    others = [pair.name for pair in pairs if pair not in block.pairs]
    lines = []
    if methods:
        lines.append(
            f"methods not ranked, for want of a score on these pairs: {', '.join(methods)}"
        )
    if others:
        lines.append(f"pairs not averaged over, for want of a method: {', '.join(others)}")
    return tuple(lines)


def _shared(pairs: Sequence[Pair]) -> list[frozenset[str]]:
    """Return every set of methods that is shared by some pairs and no more; few, as sweeps share their arms."""
    found: set[frozenset[str]] = set()
    for own in {frozenset(pair.entries) for pair in pairs}:
        found |= {own} | {own & other for other in found}
    return sorted(found, key=sorted)


def _block(methods: frozenset[str], pairs: Sequence[Pair]) -> Block:
    whole = tuple(pair for pair in pairs if methods <= pair.entries.keys())
    return Block(methods=tuple(sorted(methods)), pairs=whole)


def _worth(block: Block) -> tuple[bool, int, int, int]:
    regimes = {block.pairs[0].entries[method].regime for method in block.methods}
    meets = "self-supervised" in regimes and len(regimes) > 1
    n_methods, n_pairs = len(block.methods), len(block.pairs)
    return meets, (n_methods - 1) * (n_pairs - 1), n_pairs, n_methods
