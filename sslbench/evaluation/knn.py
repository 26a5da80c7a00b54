"""Cell types by zero-shot kNN: a cell gets the majority label of its k nearest training cells in the embedding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from pydantic import Field

from sslbench.config import ComponentOptions, EmbeddingOf
from sslbench.evaluation._cell_types import (
    CELL_TYPE_METRICS,
    cell_type_evaluation,
    finite,
    labelled_reference,
)
from sslbench.evaluation.base import Embedded, Evaluation, EvaluationTask, Fitted
from sslbench.neighbours import neighbour_votes
from sslbench.registry import EVALUATIONS
from sslbench.results import Direction


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
    """Vote of the nearest training cells by Euclidean distance between embeddings, taken as they are.

    Source: Cover & Hart 1967, doi 10.1109/TIT.1967.1053964.
    """

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
        n_labels = len(train.label_names)

        def evaluate(cells: Embedded) -> Evaluation:
            query = finite(cells.output(self.of), of="the embedding of the scored cells")
            votes = neighbour_votes(
                query, reference=reference, label=label, n_labels=n_labels, k=self.k
            )
            return cell_type_evaluation(votes.winner, cells)

        return evaluate
