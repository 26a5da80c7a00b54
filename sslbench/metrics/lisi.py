"""How many labels, or batches, does a cell meet among its nearest neighbours? The local inverse Simpson index.

Source: Korsunsky et al., "Fast, sensitive and accurate integration of single-cell data with Harmony", 2019, doi
10.1038/s41592-019-0619-0; scaled to [0, 1] as in Luecken et al. 2022, doi 10.1038/s41592-021-01336-8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.neighbors import NearestNeighbors

N_NEIGHBOURS = 90  # the cell itself included, as scib-metrics counts
CELLS_PER_PERPLEXITY = 3
# Entropy and number of halvings at which the published search stops; a finer one would be another score.
TOLERANCE, MOST_HALVINGS = 1e-5, 50


@dataclass(frozen=True, kw_only=True)
class Neighbourhood:
    """The nearest other cells of every cell, nearest first, and how much each of them counts."""

    index: np.ndarray  # (n_cells, n_others) int64
    weight: np.ndarray  # (n_cells, n_others) float64, of each cell summing to 1


def neighbourhood(z: np.ndarray) -> Neighbourhood:
    """Return the 89 nearest other cells by Euclidean distance, all others where there are fewer.

    `z` is (n_cells, embedding_dim) float64 of at least six cells. Weights fall with distance such that each
    cell has an effective number of neighbours, the perplexity, of a third of `N_NEIGHBOURS`.
    """
    n_counted = min(N_NEIGHBOURS, len(z))
    centred = z - z.mean(axis=0)  # small numbers keep differences exact
    search = NearestNeighbors(n_neighbors=n_counted - 1, algorithm="brute").fit(centred)
    distance, index = search.kneighbors()  # without the cell itself
    weight = gaussian_weights(distance, perplexity=n_counted // CELLS_PER_PERPLEXITY)
    return Neighbourhood(index=index, weight=weight)


def gaussian_weights(distance: np.ndarray, *, perplexity: int) -> np.ndarray:
    """Return weights exp(-b d) (n_cells, n_others), b of each cell such that their entropy is log(perplexity).

    `distance` (n_cells, n_others) is not squared, as in the published code. The search for b doubles and
    halves from 1.
    """
    distance = distance - distance.min(axis=1, keepdims=True)  # a factor of all weights of a cell
    weight = np.empty_like(distance)
    low, high, precision = (
        np.zeros(len(distance)),
        np.full(len(distance), np.inf),
        np.ones(len(distance)),
    )
    searching = np.arange(len(distance))
    for _ in range(1 + MOST_HALVINGS):
        weight[searching], entropy = _weights_and_entropy(distance[searching], precision[searching])
        excess = entropy - np.log(perplexity)
        searching, too_wide = _still(searching, excess)
        if not searching.size:
            break
        at = precision[searching]
        low[searching] = np.where(too_wide, at, low[searching])
        high[searching] = np.where(too_wide, high[searching], at)
        unbounded = np.isinf(high[searching])
        middle = (low[searching] + np.where(unbounded, 0.0, high[searching])) / 2
        precision[searching] = np.where(unbounded, 2 * at, middle)
    return weight


def inverse_simpson(near: Neighbourhood, groups: np.ndarray) -> np.ndarray:
    """Return the effective number of groups among each cell's neighbours, (n_cells,) in [1, n_groups].

    `groups` (n_cells,) holds codes or names of labels or batches.
    """
    of_neighbour = groups[near.index]
    simpson = np.zeros(len(groups))
    for group in np.unique(groups):
        simpson += np.square((near.weight * (of_neighbour == group)).sum(axis=1))
    return 1 / simpson


def ilisi(near: Neighbourhood, *, batches: np.ndarray) -> float:
    """Return the median LISI of `batches` (n_cells,), scaled; in [0, 1], 1 where all batches mix everywhere."""
    n_batches = len(np.unique(batches))
    return float((np.median(inverse_simpson(near, batches)) - 1) / (n_batches - 1))


def clisi(near: Neighbourhood, *, labels: np.ndarray) -> float:
    """Return the median LISI of `labels` (n_cells,), scaled; in [0, 1], 1 where neighbours share the label."""
    n_labels = len(np.unique(labels))
    return float((n_labels - np.median(inverse_simpson(near, labels))) / (n_labels - 1))


def _weights_and_entropy(
    distance: np.ndarray, precision: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    weight = np.exp(-distance * precision[:, None])
    total = weight.sum(axis=1)
    entropy = np.log(total) + precision * (distance * weight).sum(axis=1) / total
    return weight / total[:, None], entropy


def _still(searching: np.ndarray, excess: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells whose entropy is not right yet, and whether it is too large."""
    wrong = np.abs(excess) >= TOLERANCE
    return searching[wrong], excess[wrong] > 0
