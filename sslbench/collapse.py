"""Has the embedding collapsed? Four numbers on a few training cells at every report, judged by the untrained encoder's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from sslbench.data.cells import Cells, CountsMatrix
from sslbench.encoders.base import Encoder, embed_cells
from sslbench.errors import CollapsedError, DivergedError
from sslbench.metrics.embedding import alignment, mean_deviation, rankme, uniformity
from sslbench.seeding import numpy_generator

# Far below anything that was seen to learn: with labels that are few, perfect clusters have few directions too. On
# pbmc_cite and larger data, tasks that beat the untrained encoder kept 7 % of its rank and 25 % of its uniformity or more.
FRACTION = 0.03
MAX_CELLS = 512  # a few milliseconds a report
KEPT = 0.5  # probability with which a molecule is in one view of a positive pair
# The first line of the error: failures are counted by it, so it holds nothing that differs between trials.
RULE = (
    f"the embedding must keep {FRACTION:.0%} of the untrained encoder's effective rank and uniformity; lower "
    "training/learning_rate, weaken the augmentations, or raise what keeps cells apart (momentum, variance weight)"
)


class EmbeddingShape(NamedTuple):
    """How the watched cells lie in the embedding; every number is defined in `metrics/embedding.py`."""

    rank: float
    deviation: float
    alignment: float  # of two thinned copies of each cell
    uniformity: float

    def values(self) -> dict[str, float]:
        """Return the numbers as they stand on the curve of every pretext task."""
        return {f"train/embedding/{name}": value for name, value in self._asdict().items()}


@dataclass(frozen=True, kw_only=True)
class CollapseMonitor:
    """The watched cells, the same for every pretext task of a seed, and what the untrained encoder made of them."""

    cells: Cells
    pair: tuple[Cells, Cells]  # two views of each cell
    untrained: EmbeddingShape
    device: str

    def shape(self, encoder: Encoder) -> EmbeddingShape:
        """Embed the watched cells as the encoder is now; it draws nothing and leaves the encoder as it was."""
        return _shape(encoder, self.cells, self.pair, device=self.device)


def monitor_of(encoder: Encoder, train: Cells, *, seed: int, device: str) -> CollapseMonitor:
    """Draw the watched cells and their pairs from a stream of their own; `encoder` is untrained."""
    generator = numpy_generator(seed, "monitor")
    n_cells = min(MAX_CELLS, len(train))
    index = np.sort(generator.choice(len(train), size=n_cells, replace=False))
    counts = csr_matrix(train.dense_counts(index))
    picked = replace(train.without_labels().at(index), row_ids=np.arange(n_cells))
    cells, first, second = (
        replace(picked, counts=CountsMatrix.from_scipy(c))
        for c in (counts, thinned(counts, generator), thinned(counts, generator))
    )
    untrained = _shape(encoder, cells, (first, second), device=device)
    return CollapseMonitor(cells=cells, pair=(first, second), untrained=untrained, device=device)


def thinned(counts: csr_matrix, generator: np.random.Generator) -> csr_matrix:
    """Return counts (n_cells, n_genes) of which every molecule is kept with probability `KEPT`."""
    kept = counts.copy()
    kept.data = generator.binomial(counts.data.astype(np.int64), KEPT).astype(counts.dtype)
    return kept


def refuse_collapse(now: EmbeddingShape, *, untrained: EmbeddingShape, updates: int) -> None:
    """Raise CollapsedError if the embedding has lost nearly all of what the untrained encoder had.

    There are two ways to collapse. Cells lie along few directions: the effective rank is less than `FRACTION`
    of the way from 1, its smallest value, to that of the untrained encoder. Or all cells point the same way,
    whatever the rank of their tiny differences: uniformity is nearer to 0 than `FRACTION` of the
    untrained encoder's.
    """
    lowest = 1 + FRACTION * (untrained.rank - 1)
    if now.rank < lowest:
        raise CollapsedError(
            f"{RULE}\nafter {updates} updates its effective rank is {now.rank:.1f}; untrained it was "
            f"{untrained.rank:.1f}, and {lowest:.1f} is the least allowed"
        )
    highest = FRACTION * untrained.uniformity
    if now.uniformity > highest:
        raise CollapsedError(
            f"{RULE}\nafter {updates} updates its uniformity is {now.uniformity:.3f}; untrained it was "
            f"{untrained.uniformity:.3f}, and {highest:.3f} is the most allowed"
        )


def _shape(
    encoder: Encoder, cells: Cells, pair: tuple[Cells, Cells], *, device: str
) -> EmbeddingShape:
    z, first, second = (_embedded(encoder, c, device=device) for c in (cells, *pair))
    return EmbeddingShape(
        rank=rankme(z),
        deviation=mean_deviation(z),
        alignment=alignment(first, second),
        uniformity=uniformity(z),
    )


def _embedded(encoder: Encoder, cells: Cells, *, device: str) -> np.ndarray:
    z = embed_cells(encoder, cells, device=device)
    if not np.isfinite(z).all():
        raise DivergedError("the embedding of a training cell is not finite")
    return z
