"""The second modality by the encoder itself: encoder and head are trained end to end, on a copy, in confirm only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from sslbench.config import ComponentOptions
from sslbench.data.packed import Expression
from sslbench.encoders.base import Encoder
from sslbench.evaluation._cross_modality import (
    CROSS_MODALITY_METRICS,
    CROSS_MODALITY_REFERENCES,
    evaluation_of,
    fit_learner,
    material,
)
from sslbench.evaluation._expression import cells_of
from sslbench.evaluation._gradient_learner import GradientLearner
from sslbench.evaluation._ridge_learner import ExpressionReference
from sslbench.evaluation._trained_encoder import networks_of, trainable_copy
from sslbench.evaluation.base import Embedded, Evaluation, EvaluationTask, Fitted
from sslbench.registry import EVALUATIONS
from sslbench.results import Direction


class Options(ComponentOptions):
    """How fast the encoder may leave its pretrained weights, and on which scale is predicted."""

    learning_rate: float = Field(
        1e-4, gt=0, le=1, description="of the encoder; the head is trained at 0.001"
    )
    scale: Literal["log1p", "clr", "binary", "tfidf"] | None = Field(
        None, description="of the second modality; null is log1p of proteins and binary of peaks"
    )


@EVALUATIONS.register
class CrossModalityFineTune(EvaluationTask):
    """As `cross_modality` with its head `mlp`, but that the encoder is trained further too.

    The number of epochs is chosen by measured validation cells, or where there are none by five-fold
    cross-validation among the measured training cells, whose out-of-fold scores then stand for validation.
    """

    metrics: ClassVar[Mapping[str, Direction]] = CROSS_MODALITY_METRICS
    references: ClassVar[Mapping[str, str]] = CROSS_MODALITY_REFERENCES
    needs_of_cells: ClassVar[tuple[str, ...]] = ("modality",)
    confirm_only: ClassVar[bool] = True
    trains_encoder: ClassVar[bool] = True

    def __init__(self, options: Options) -> None:
        self.options, self.reference = options, ExpressionReference()

    def fit(self, *, train: Embedded, val: Embedded, generator: np.random.Generator) -> Fitted:
        """Train a copy of the encoder and a head on the measured cells of `train`; raises as `cross_modality`."""
        networks = networks_of(train, task="cross_modality_fine_tune", instead="cross_modality")
        given = material(train, val, scale=self.options.scale, generator=generator)
        learner = GradientLearner(
            lambda: trainable_copy(networks.encoder),
            see=_Seen(networks.encoder, networks.device),
            seed=int(generator.integers(2**31)),
            device=networks.device,
            front_rate=self.options.learning_rate,
        )
        arm, reference = fit_learner(learner, given), self.reference.fit(train, val, given)

        def evaluate(cells: Embedded) -> Evaluation:
            return evaluation_of(cells, given, arm=arm, reference=reference)

        return evaluate


class _Seen:
    """What the encoder reads of cells, on its device."""

    def __init__(self, encoder: Encoder, device: str) -> None:
        self.encoder, self.device = encoder, device

    def __call__(self, cells: Embedded, index: np.ndarray) -> Expression:
        known = cells_of(cells, task="cross_modality_fine_tune")
        return self.encoder.inputs(known.minibatch(index, device=self.device))
