"""Cell types by a linear probe: logistic regression from the frozen embedding, fitted on training cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np
from pydantic import Field
from sklearn.linear_model import LogisticRegression

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

MAX_ITERATIONS = (
    2000  # standardised z converges in tens; scikit-learn warns aloud where it does not
)
FLAT = (
    1e-6  # a dimension that varies by less, relative to its mean, is float32 rounding, not signal
)


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
        predict = fitted_probe(reference, label, c=self.c)

        def evaluate(cells: Embedded) -> Evaluation:
            query = finite(cells.output(self.of), of="the scored cells")
            return cell_type_evaluation(predict(query), cells)

        return evaluate


def fitted_probe(
    reference: np.ndarray, label: np.ndarray, *, c: float
) -> Callable[[np.ndarray], np.ndarray]:
    """Return what gives cells (n_query, embedding_dim) the labels (n_query,) int64 of logistic regression.

    `reference` (n_reference, embedding_dim) is float64, `label` (n_reference,) codes from 0. With one label
    only, everyone gets it.
    """
    if len(np.unique(label)) == 1:
        return lambda query: np.full(len(query), label[0], dtype=np.int64)
    centre, scale = reference.mean(axis=0), reference.std(axis=0)
    scale[scale <= FLAT * np.abs(centre)] = 1.0
    probe = LogisticRegression(C=c, class_weight="balanced", max_iter=MAX_ITERATIONS)
    probe.fit((reference - centre) / scale, label)
    return lambda query: np.asarray(probe.predict((query - centre) / scale), dtype=np.int64)
