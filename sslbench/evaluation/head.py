"""Cell types by the arm's own classifier: the label with the largest logit, for arms that learned from labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from sslbench.config import ComponentOptions
from sslbench.errors import ConfigError
from sslbench.evaluation._cell_types import CELL_TYPE_METRICS, cell_type_evaluation, finite
from sslbench.evaluation.base import Embedded, Evaluation, EvaluationTask, Fitted
from sslbench.registry import EVALUATIONS
from sslbench.results import Direction


class Options(ComponentOptions):
    """Nothing to choose: the classifier was trained with the encoder."""


@EVALUATIONS.register
class Head(EvaluationTask):
    """Fits nothing: reads the logits that the pretext task's classifier gave the scored cells."""

    metrics: ClassVar[Mapping[str, Direction]] = CELL_TYPE_METRICS
    needs_of_arm: ClassVar[tuple[str, ...]] = ("classifier",)

    def __init__(self, options: Options) -> None:
        pass

    def fit(
        self,
        *,
        train: Embedded,  # already fitted
        val: Embedded,
        generator: np.random.Generator,  # nothing here is random
    ) -> Fitted:
        """Return what predicts a cell by its largest logit; equal logits go to the lowest code."""
        return _evaluate


def _evaluate(cells: Embedded) -> Evaluation:
    if cells.logits is None:
        raise ConfigError(
            "evaluation task 'head' scores an arm's own classifier, and this arm has none",
            code="C030",
            fix="score it by knn or linear_probe",
        )
    logits = finite(cells.logits, of="the classifier of the scored cells")
    return cell_type_evaluation(logits.argmax(axis=1), cells)
