"""Cell types by a linear probe: logistic regression from the frozen embedding, fitted on training cells."""

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
from sslbench.probe import fit_probe
from sslbench.registry import EVALUATIONS
from sslbench.results import Direction


class Options(ComponentOptions):
    """Multinomial; each label weighs the same in total, as in the supervised arm, because macro F1 ranks."""

    c: float = Field(
        1.0, gt=0, le=1000, description="inverse strength of the L2 penalty (scikit-learn's C)"
    )
    of: EmbeddingOf = Field(
        "encoder", description="whose output is scored; projector only scores arms that have one"
    )


@EVALUATIONS.register
class LinearProbe(EvaluationTask):
    """Class-balanced logistic regression on z standardised by the mean and spread of the training cells."""

    metrics: ClassVar[Mapping[str, Direction]] = CELL_TYPE_METRICS

    def __init__(self, options: Options) -> None:
        self.c, self.of = options.c, options.of

    def fit(
        self,
        *,
        train: Embedded,
        val: Embedded,  # nothing is chosen
        generator: np.random.Generator,  # the optimum is unique
    ) -> Fitted:
        """Fit on the labelled cells of `train`; every cell's label is predicted."""
        reference, label = labelled_reference(train, of=self.of)
        probe = fit_probe(reference, label, c=self.c)

        def evaluate(cells: Embedded) -> Evaluation:
            query = finite(cells.output(self.of), of="the embedding of the scored cells")
            return cell_type_evaluation(probe.labels(query), cells)

        return evaluate
