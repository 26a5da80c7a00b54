"""Cell types by the arm's own classifier: the label with the largest logit, for arms that learned from labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from sslbench.config import ComponentOptions
from sslbench.errors import ConfigError
from sslbench.evaluation._cell_types import CELL_TYPE_METRICS, cell_type_evaluation, finite
from sslbench.evaluation.base import Embedded, Evaluation, EvaluationTask
from sslbench.registry import EVALUATIONS
from sslbench.results import Direction


class Options(ComponentOptions):
    """Nothing to choose: the classifier was trained with the encoder."""


@EVALUATIONS.register
class Head(EvaluationTask):
    """Fits nothing: reads the logits that the pretext task's classifier gave the scored cells."""

    metrics: ClassVar[Mapping[str, Direction]] = CELL_TYPE_METRICS
    needs_classifier: ClassVar[bool] = True

    def __init__(self, options: Options) -> None:
        pass

    def evaluate(
        self,
        *,
        fit_on: Embedded,  # already fitted
        score_on: Embedded,
        generator: np.random.Generator,  # nothing here is random
    ) -> Evaluation:
        """Predict every cell of `score_on` by its largest logit; equal logits go to the lowest code."""
        if score_on.logits is None:
            raise ConfigError(
                "evaluation task 'head' scores an arm's own classifier, and this arm has none",
                code="C030",
                fix="score it by knn or linear_probe",
            )
        logits = finite(score_on.logits, of="the classifier of the scored cells")
        return cell_type_evaluation(logits.argmax(axis=1), score_on)
