"""How the nearest training cells vote: the share of each label, and the label that wins."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

BLOCK_ENTRIES = 1_000_000  # distances held at a time: 8 MB
ROUNDING = 1e-12  # relative error of a squared distance that comes from a matrix product in float64


class Votes(NamedTuple):
    """The votes for each cell, and their outcome."""

    share: np.ndarray  # (n_query, n_labels) float64, of each cell summing to 1
    winner: np.ndarray  # (n_query,) int64 codes


def neighbour_votes(
    query: np.ndarray, *, reference: np.ndarray, label: np.ndarray, n_labels: int, k: int
) -> Votes:
    """Return the votes of the k nearest reference cells of each query cell, by Euclidean distance.

    `query` (n_query, embedding_dim) and `reference` (n_reference, embedding_dim) are float64, `label`
    (n_reference,) codes from 0. Exact, in blocks of query cells, so that memory stays bounded. Reference
    cells as near as the k-th one vote too, so that the order of cells decides nothing (an embedding that is
    the same for all cells gives everyone the commonest label). A tied vote goes to the label of the
    nearest cell among the tied labels, then to the lowest code. A k beyond the number of reference cells
    lets all of them vote.
    """
    centre = reference.mean(axis=0)  # small numbers keep the differences below exact
    points = torch.from_numpy(reference - centre)
    codes = torch.from_numpy(np.ascontiguousarray(label))
    rows = max(1, BLOCK_ENTRIES // len(reference))
    blocks = [
        _vote(block, points, codes, n_labels=n_labels, k=min(k, len(reference)))
        for block in torch.split(torch.from_numpy(query - centre), rows)
    ]
    share, winner = (torch.cat(part).numpy() for part in zip(*blocks, strict=True))
    return Votes(share=share, winner=winner)


def _vote(
    query: Tensor, reference: Tensor, label: Tensor, *, n_labels: int, k: int
) -> tuple[Tensor, Tensor]:
    lengths = query.square().sum(1, keepdim=True) + reference.square().sum(1)
    distance = lengths - 2 * query @ reference.T  # (n_query, n_reference), squared
    kth = distance.topk(k, largest=False).values[:, -1:]
    lengths.mul_(ROUNDING).add_(kth)
    cell, neighbour = torch.nonzero(distance <= lengths, as_tuple=True)
    slot = cell * n_labels + label[neighbour]
    shape = (len(query), n_labels)
    votes = torch.bincount(slot, minlength=shape[0] * n_labels).reshape(shape)
    nearest = torch.full((shape[0] * n_labels,), torch.inf, dtype=torch.float64)
    nearest.scatter_reduce_(0, slot, distance[cell, neighbour], "amin")
    tolerance = lengths.amin(1, keepdim=True) - kth
    share = votes.double() / votes.sum(1, keepdim=True)
    return share, _winner(votes, nearest.reshape(shape), tolerance=tolerance)


def _winner(votes: Tensor, nearest: Tensor, *, tolerance: Tensor) -> Tensor:
    """Return the label with most votes; among equals the nearest, and among equally near the lowest code."""
    tied = votes == votes.amax(1, keepdim=True)
    nearest = nearest.masked_fill(~tied, torch.inf)
    first = nearest <= nearest.amin(1, keepdim=True) + tolerance
    return first.to(torch.uint8).argmax(1)
