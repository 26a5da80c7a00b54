"""How the nearest training cells vote: the share of each label, and the label that wins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLOCK_ENTRIES = 1_000_000  # distances held at a time: 8 MB
ROUNDING = 1e-12  # relative error of a squared distance that comes from a matrix product in float64


@dataclass(frozen=True, kw_only=True)
class Votes:
    """The votes for each cell, and their outcome."""

    share: np.ndarray  # (n_query, n_labels) float64, of each cell summing to 1
    winner: (
        np.ndarray
    )  # (n_query,) int64 codes: most votes, of equal ones the nearest, then the lowest


def neighbour_votes(
    query: np.ndarray, *, reference: np.ndarray, label: np.ndarray, n_labels: int, k: int
) -> Votes:
    """Return the votes of the k nearest reference cells of each query cell, by Euclidean distance.

    `query` (n_query, embedding_dim) and `reference` (n_reference, embedding_dim) are float64, `label`
    (n_reference,) codes from 0. Exact, in blocks of query cells. Reference cells as near as the k-th one vote
    too; a k beyond their number lets all vote.
    """
    order = np.argsort(label, kind="stable")
    known, starts = np.unique(label[order], return_index=True)
    centre = reference.mean(axis=0)  # small numbers keep the differences below exact
    points = (reference - centre)[order]
    share = np.zeros((len(query), n_labels))
    winner = np.empty(len(query), dtype=np.int64)
    rows = max(1, BLOCK_ENTRIES // len(points))
    for first in range(0, len(query), rows):
        block = slice(first, first + rows)
        near, distance, tolerance = _near(query[block] - centre, points, min(k, len(points)))
        votes = np.add.reduceat(near.astype(np.float64), starts, axis=1)  # (n_rows, n_known)
        share[block, known] = votes / votes.sum(axis=1, keepdims=True)
        nearest = np.minimum.reduceat(np.where(near, distance, np.inf), starts, axis=1)
        winner[block] = known[_first_of_most(votes, nearest, tolerance)]
    return Votes(share=share, winner=winner)


def _near(
    query: np.ndarray, reference: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return who votes for whom and the squared distances, (n_rows, n_reference), and what is rounding of these."""
    lengths = np.square(query).sum(axis=1, keepdims=True) + np.square(reference).sum(axis=1)
    distance = lengths - 2 * query @ reference.T
    kth = np.partition(distance, k - 1, axis=1)[:, k - 1 : k]
    near = distance <= kth + ROUNDING * lengths
    return near, distance, ROUNDING * lengths.min(axis=1, keepdims=True)


def _first_of_most(votes: np.ndarray, nearest: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
    """Return the column with most votes; among equals the nearest, and among equally near the first."""
    nearest = np.where(votes == votes.max(axis=1, keepdims=True), nearest, np.inf)
    near_enough = nearest <= nearest.min(axis=1, keepdims=True) + tolerance
    return np.asarray(near_enough.argmax(axis=1))
