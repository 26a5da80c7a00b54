"""The second modality (surface proteins, open chromatin) from the frozen embedding, beside what the genes reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from sslbench.config import ComponentOptions
from sslbench.evaluation._cross_modality import (
    CROSS_MODALITY_METRICS,
    CROSS_MODALITY_REFERENCES,
    Learner,
    evaluation_of,
    fit_learner,
    material,
)
from sslbench.evaluation._gradient_learner import GradientLearner
from sslbench.evaluation._ridge_learner import ExpressionReference, RidgeLearner, of_embedding
from sslbench.evaluation.base import Embedded, Evaluation, EvaluationTask, Fitted
from sslbench.registry import EVALUATIONS
from sslbench.results import Direction


class Options(ComponentOptions):
    """What predicts, and on which scale."""

    head: Literal["ridge", "mlp"] = Field("ridge", description="what is fitted on z")
    scale: Literal["log1p", "clr", "binary", "tfidf"] | None = Field(
        None, description="of the second modality; null is log1p of proteins and binary of peaks"
    )


@EVALUATIONS.register
class CrossModality(EvaluationTask):
    """A head on standardised z; the mean over features of the correlation over cells ranks.

    The mean predictor and ridge regression from expression stand beside it, for a constant already correlates
    highly with all values pooled, and the genes say what z could have kept. Proteins are learned as standardised by
    training cells, so that each weighs the same; scores are of the scale before that. A cell whose second modality
    was not measured is neither fitted on nor scored.

    Where no validation cell was measured, the setting is chosen by five-fold cross-validation among the measured
    training cells, and what is given as the score of the validation cells is that of the out-of-fold predictions.
    """

    metrics: ClassVar[Mapping[str, Direction]] = CROSS_MODALITY_METRICS
    references: ClassVar[Mapping[str, str]] = CROSS_MODALITY_REFERENCES
    needs_of_cells: ClassVar[tuple[str, ...]] = ("modality",)

    def __init__(self, options: Options) -> None:
        self.options, self.reference = options, ExpressionReference()

    def fit(self, *, train: Embedded, val: Embedded, generator: np.random.Generator) -> Fitted:
        """Fit on the measured cells of `train`; choose penalty or number of epochs by those of `val`.

        Raises
        ------
        DivergedError
            If z of a cell, a loss or a prediction is NaN or infinite.
        DataError
            D310 if the data set names no second modality, D321 if fewer than ten training cells were measured; and,
            when cells are scored, D322 if none of them was.
        """
        given = material(train, val, scale=self.options.scale, generator=generator)
        arm = fit_learner(self._learner(seed=int(generator.integers(2**31))), given)
        reference = self.reference.fit(train, val, given)

        def evaluate(cells: Embedded) -> Evaluation:
            return evaluation_of(cells, given, arm=arm, reference=reference)

        return evaluate

    def _learner(self, *, seed: int) -> Learner:
        if self.options.head == "ridge":
            return RidgeLearner(of_embedding)
        return GradientLearner(nn.Identity, see=_z, seed=seed)


def _z(cells: Embedded, index: np.ndarray) -> Tensor:
    return torch.from_numpy(cells.z[index])
