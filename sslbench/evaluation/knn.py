"""Cell types by zero-shot kNN: a cell gets the majority label of its k nearest training cells in the embedding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from sslbench.config import ComponentOptions, EmbeddingOf
from sslbench.evaluation._cell_types import (
    CELL_TYPE_METRICS,
    cell_type_evaluation,
    finite,
    labelled_reference,
)
from sslbench.evaluation.base import Embedded, Evaluation, EvaluationTask, Fitted
from sslbench.registry import EVALUATIONS
from sslbench.results import Direction

BLOCK_ENTRIES = 1_000_000  # distances held at a time: 8 MB
ROUNDING = 1e-12  # relative error of a squared distance that comes from a matrix product in float64


class Options(ComponentOptions):
    """Reference are the labelled training cells; they and the scored cells differ, so no neighbour is dropped."""

    k: int = Field(
        5,
        ge=1,
        le=1000,
        description="neighbours that vote; all training cells where there are fewer",
    )
    of: EmbeddingOf = Field(
        "encoder", description="whose output is scored; projector only scores arms that have one"
    )


@EVALUATIONS.register
class Knn(EvaluationTask):
    """Vote of the nearest training cells by Euclidean distance between embeddings, taken as they are."""

    metrics: ClassVar[Mapping[str, Direction]] = CELL_TYPE_METRICS

    def __init__(self, options: Options) -> None:
        self.k, self.of = options.k, options.of

    def fit(
        self,
        *,
        train: Embedded,
        val: Embedded,  # nothing is chosen
        generator: np.random.Generator,  # nothing here is random
    ) -> Fitted:
        """Keep the labelled cells of `train`; any cell's label is predicted from them."""
        reference, label = labelled_reference(train, of=self.of)

        def evaluate(cells: Embedded) -> Evaluation:
            query = finite(cells.output(self.of), of="the scored cells")
            predicted = nearest_labels(query, reference=reference, label=label, k=self.k)
            return cell_type_evaluation(predicted, cells)

        return evaluate


def nearest_labels(
    query: np.ndarray, *, reference: np.ndarray, label: np.ndarray, k: int
) -> np.ndarray:
    """Return the majority label (n_query,) int64 of the k nearest reference cells of each query cell.

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
    moved = torch.from_numpy(query - centre)
    voted = [
        _vote(moved[start : start + rows], points, codes, min(k, len(reference)))
        for start in range(0, len(moved), rows)
    ]
    return torch.cat(voted).numpy()


def _vote(query: Tensor, reference: Tensor, label: Tensor, k: int) -> Tensor:
    lengths = query.square().sum(1, keepdim=True) + reference.square().sum(1)
    distance = lengths - 2 * query @ reference.T  # (n_query, n_reference), squared
    kth = distance.topk(k, largest=False).values[:, -1:]
    lengths.mul_(ROUNDING).add_(kth)
    cell, neighbour = torch.nonzero(distance <= lengths, as_tuple=True)
    n_labels = int(label.max()) + 1
    slot = cell * n_labels + label[neighbour]
    shape = (len(query), n_labels)
    votes = torch.bincount(slot, minlength=shape[0] * n_labels).reshape(shape)
    nearest = torch.full((shape[0] * n_labels,), torch.inf, dtype=torch.float64)
    nearest.scatter_reduce_(0, slot, distance[cell, neighbour], "amin")
    return _winner(votes, nearest.reshape(shape), tolerance=lengths.amin(1, keepdim=True) - kth)


def _winner(votes: Tensor, nearest: Tensor, *, tolerance: Tensor) -> Tensor:
    """Return the label with most votes; among equals the nearest, and among equally near the lowest code."""
    tied = votes == votes.amax(1, keepdim=True)
    nearest = nearest.masked_fill(~tied, torch.inf)
    first = nearest <= nearest.amin(1, keepdim=True) + tolerance
    return first.to(torch.uint8).argmax(1)
