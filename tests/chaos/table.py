"""What many faults came to: how often each kind was dealt and met a running sweep, and what was lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

COLUMNS = ("fault", "dealt", "hit", "lost", "repeated")


@dataclass
class Tally:
    """The faults of one kind."""

    dealt: int = 0
    hit: int = 0
    lost: int = 0  # trials that had ended and are gone or changed
    repeated: int = 0  # trials that had ended and were tried again

    def add(self, *, hit: bool, lost: int, repeated: int) -> None:
        """Count one more."""
        self.dealt, self.hit = self.dealt + 1, self.hit + hit
        self.lost, self.repeated = self.lost + lost, self.repeated + repeated


class Table:
    """Tallies by kind of fault, and the stories in which something did not hold."""

    def __init__(self) -> None:
        self.tallies: defaultdict[str, Tally] = defaultdict(Tally)
        self.failed: list[str] = []

    @property
    def n_dealt(self) -> int:
        return sum(tally.dealt for tally in self.tallies.values())

    def lines(self) -> Iterator[str]:
        """Yield the table, and what it says of the rate of failures."""
        rows = [(kind, *vars(self.tallies[kind]).values()) for kind in sorted(self.tallies)]
        total = [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]
        for name, *cells in (COLUMNS, *rows, ("all", *total)):
            yield f"{name:<36}" + "".join(f"{cell:>10}" for cell in cells)
        n_hit = total[1]
        if self.failed:
            yield f"{len(self.failed)} stories failed"
        elif n_hit:
            yield f"0 failures in {n_hit} hits: at most {3 / n_hit:.1%} of such faults do harm (95 %)"
