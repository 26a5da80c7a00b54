"""Data integration: do cells of one type lie together whatever batch they are of? Cheap scores of scIB."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from sslbench.config import ComponentOptions
from sslbench.evaluation._batches import INTEGRATION_METRICS, MOST_CELLS, batched_cells
from sslbench.evaluation.base import Embedded, Evaluation, EvaluationTask, Fitted
from sslbench.metrics.integration import integration_scores
from sslbench.registry import EVALUATIONS
from sslbench.results import Direction


class Options(ComponentOptions):
    """Nothing to choose: scores are compared with published ones, which have no options either."""


@EVALUATIONS.register
class Integration(EvaluationTask):
    """Scores a fixed random part of the labelled cells of known batch; nothing is fitted.

    `total` is 0.6 `bio` + 0.4 `batch`, means of the components after them. kBET and PCR are left out, so that a
    total stands beside other totals of this task and not beside published ones: those are of the task `scib`.
    """

    metrics: ClassVar[Mapping[str, Direction]] = INTEGRATION_METRICS
    needs_of_cells: ClassVar[tuple[str, ...]] = ("labels", "batches")

    def __init__(self, options: Options) -> None:
        pass

    def fit(
        self,
        *,
        train: Embedded,  # nothing is fitted
        val: Embedded,  # nothing is chosen
        generator: np.random.Generator,  # the part that is scored is the same for every seed
    ) -> Fitted:
        """Return what scores cells; DataError D310, D312 to D314 or D319 where they say nothing about batches."""
        return _evaluate


def _evaluate(cells: Embedded) -> Evaluation:
    scored = batched_cells(cells, most=MOST_CELLS)
    return Evaluation(
        scores=integration_scores(scored.z, labels=scored.label, batches=scored.batch)
    )
