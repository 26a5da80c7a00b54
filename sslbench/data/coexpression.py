"""Genes that go together in training cells: programmes for panels that no published set covers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from sslbench.data.cells import Cells, normalise

N_TOGETHER = 20
MAX_CELLS = 5_000  # more training cells are sampled: correlations of 20 neighbours need no more


@dataclass(frozen=True)
class Standardised:
    """Expression of training cells, per gene of mean 0 and length 1; constant genes are 0."""

    x: np.ndarray  # (n_cells, n_genes) float32

    @classmethod
    def of(cls, train: Cells) -> Standardised:
        """Return the standardised expression of (at most 5,000 of) the training cells."""
        index = np.arange(len(train))
        if len(index) > MAX_CELLS:
            index = np.sort(np.random.default_rng(0).choice(index, MAX_CELLS, replace=False))
        counts = torch.from_numpy(train.dense_counts(index))
        x = normalise(counts, counts.sum(dim=1)).numpy()
        x -= x.mean(axis=0)
        length = np.linalg.norm(x, axis=0)
        varies = length > 1e-4
        x[:, ~varies] = 0
        x[:, varies] /= length[varies]
        return cls(x)

    def correlation(self, gene: int) -> np.ndarray:
        """Return Pearson's r (n_genes,) of one gene with every gene; 0 where a gene is constant."""
        return np.asarray(self.x.T @ self.x[:, gene])


def correlated_with(names: list[str], train: Cells) -> dict[str, tuple[str, ...]]:
    """Return for each named gene the 20 others that are most positively correlated with it."""
    expression = Standardised.of(train)
    column = {gene: i for i, gene in enumerate(train.genes)}
    sets = {}
    for name in names:
        r = expression.correlation(column[name])
        r[column[name]] = 0
        sets[name] = tuple(train.genes[i] for i in _most_correlated(r, N_TOGETHER))
    return sets


def coexpressed(train: Cells, *, min_genes: int) -> dict[str, tuple[str, ...]]:
    """Return disjoint programmes: the gene detected in most cells, the 19 it goes with most, and so on.

    Each programme is named after the gene that it was grown from; those that come out smaller than
    `min_genes` are left out.
    """
    expression = Standardised.of(train)
    detected = np.count_nonzero(expression.x > 0, axis=0)
    free = np.any(expression.x != 0, axis=0)
    sets = {}
    for seed in np.argsort(-detected, kind="stable"):
        if not free[seed]:
            continue
        free[seed] = False
        r = np.where(free, expression.correlation(seed), 0)
        others = _most_correlated(r, N_TOGETHER - 1)
        if len(others) + 1 >= min_genes:
            free[others] = False
            sets[f"with {train.genes[seed]}"] = tuple(train.genes[i] for i in [seed, *others])
    return sets


def _most_correlated(r: np.ndarray, n: int) -> np.ndarray:
    """Return the positions of the `n` largest positive correlations, best first."""
    best = np.argsort(-r, kind="stable")[:n]
    return np.asarray(best[r[best] > 0])
