"""Expression by the arm's own decoder, of cells of which nothing is hidden: for arms that learned to reconstruct."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from torch import Tensor

from sslbench.config import ComponentOptions
from sslbench.errors import ConfigError
from sslbench.evaluation._cell_types import finite
from sslbench.evaluation._expression import cells_of
from sslbench.evaluation._reconstruction_scores import (
    RECONSTRUCTION_METRICS,
    reconstruction_evaluation,
)
from sslbench.evaluation.base import Embedded, Evaluation, EvaluationTask, Fitted
from sslbench.registry import EVALUATIONS
from sslbench.results import Direction


class Options(ComponentOptions):
    """Nothing to choose: the decoder was trained with the encoder."""


@EVALUATIONS.register
class DecoderReconstruction(EvaluationTask):
    """Fits nothing: scores what the decoder expects of whole cells.

    A head of counts expects the expression of the mean count, which is more than the mean expression that the
    squared error rewards.
    """

    metrics: ClassVar[Mapping[str, Direction]] = RECONSTRUCTION_METRICS
    needs_of_arm: ClassVar[tuple[str, ...]] = ("decoder",)
    needs_of_cells: ClassVar[tuple[str, ...]] = ()

    def __init__(self, options: Options) -> None:
        pass

    def fit(
        self,
        *,
        train: Embedded,  # already fitted
        val: Embedded,
        generator: np.random.Generator,  # nothing here is random
    ) -> Fitted:
        """Return what scores cells by the decoder that comes with them."""
        return _evaluate


def _evaluate(embedded: Embedded) -> Evaluation:
    """Score the cells; raise ConfigError if the arm has no decoder, DivergedError if z or output is not finite."""
    networks = embedded.networks
    if networks is None or networks.reconstruct is None:
        raise ConfigError(
            "evaluation task 'decoder_reconstruction' scores an arm's own decoder, and this arm has none",
            code="C030",
            fix="score it by reconstruction",
        )
    finite(embedded.z, of="the embedding of the scored cells")
    cells, decode = cells_of(embedded, task="decoder_reconstruction"), networks.reconstruct

    def predict(index: np.ndarray) -> np.ndarray:
        expected: Tensor = decode(cells.minibatch(index, device=networks.device))
        rows: np.ndarray = expected.cpu().numpy()
        return rows

    return reconstruction_evaluation(cells, predict)
