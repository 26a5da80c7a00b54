"""Calibration: whether the probabilities of cell types that a frozen embedding allows mean what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from sslbench.config import ComponentOptions
from sslbench.evaluation._cell_types import finite, labelled_reference
from sslbench.evaluation.base import Embedded, Evaluation, EvaluationTask, Fitted
from sslbench.metrics.calibration import brier_score, expected_calibration_error
from sslbench.metrics.classification import macro_f1
from sslbench.neighbours import neighbour_votes
from sslbench.probe import fit_probe
from sslbench.registry import EVALUATIONS
from sslbench.results import Direction

K, C = 5, 1.0  # the defaults of the protocols knn and linear_probe, whose probabilities these are

# Probabilities (n_query, n_labels) and label codes (n_query,) of cells (n_query, embedding_dim).
Predict = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class Options(ComponentOptions):
    """Whose probabilities are looked at."""

    of_probe: Literal["linear_probe", "knn"] = Field(
        "linear_probe",
        description="linear_probe: those of the regression; knn: shares of the neighbours' votes",
    )


@EVALUATIONS.register
class Calibration(EvaluationTask):
    """Macro F1 beside the expected calibration error and the Brier score of the same predictions.

    Macro F1 ranks, because probabilities that are the shares of the labels in every cell are calibrated and worthless.
    Both probes are those of the protocols of that name with their defaults. The linear probe weighs each label
    the same, so that its probabilities are of a world where all types are equally common, and it is less
    calibrated than a regression without weights would be; what is compared is arms, not probes.
    """

    metrics: ClassVar[Mapping[str, Direction]] = {"macro_f1": "max", "ece": "min", "brier": "min"}

    def __init__(self, options: Options) -> None:
        self.of_probe = options.of_probe

    def fit(
        self,
        *,
        train: Embedded,
        val: Embedded,  # nothing is chosen
        generator: np.random.Generator,  # nothing here is random
    ) -> Fitted:
        """Fit on the labelled cells of `train`; every cell's probabilities are predicted."""
        reference, label = labelled_reference(train)
        n_labels = len(train.label_names)
        fitted = {"linear_probe": _by_regression, "knn": _by_votes}[self.of_probe]
        predict = fitted(reference, label, n_labels)

        def evaluate(cells: Embedded) -> Evaluation:
            probabilities, predicted = predict(
                finite(cells.z, of="the embedding of the scored cells")
            )
            scores = {
                "macro_f1": macro_f1(truth=cells.label, predicted=predicted, n_labels=n_labels),
                "ece": expected_calibration_error(probabilities, truth=cells.label),
                "brier": brier_score(probabilities, truth=cells.label),
            }
            return Evaluation(scores=scores, predicted=predicted)

        return evaluate


def _by_regression(reference: np.ndarray, label: np.ndarray, n_labels: int) -> Predict:
    probe = fit_probe(reference, label, c=C)
    return lambda query: (probe.probabilities(query, n_labels=n_labels), probe.labels(query))


def _by_votes(reference: np.ndarray, label: np.ndarray, n_labels: int) -> Predict:
    def predict(query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        votes = neighbour_votes(query, reference=reference, label=label, n_labels=n_labels, k=K)
        return votes.share, votes.winner

    return predict
