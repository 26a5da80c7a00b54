"""Integration as a published code measured it by mistake: batch normalisation in train mode, cells ordered by batch."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from sslbench.config import ComponentOptions
from sslbench.data.cells import Cells
from sslbench.encoders.base import Encoder
from sslbench.errors import ConfigError
from sslbench.evaluation._batches import INTEGRATION_METRICS, MOST_CELLS, batched_cells
from sslbench.evaluation._cell_types import finite
from sslbench.evaluation.base import Embedded, Evaluation, EvaluationTask, Fitted, Networks
from sslbench.metrics.integration import integration_scores
from sslbench.registry import EVALUATIONS
from sslbench.results import Direction

MINIBATCH = 128


class Options(ComponentOptions):
    """Nothing to choose: it is there to measure one defect."""


@EVALUATIONS.register
class IntegrationInTrainMode(EvaluationTask):
    """The scores of `integration`, of an embedding that every other task refuses to take.

    Cells pass in minibatches ordered by batch, and each minibatch is normalised by its own mean and spread: what
    differs between batches vanishes before it is scored, and a cell's embedding depends on the cells beside it (the
    code behind scSSL-Bench, Ovcharenko et al. 2025, arXiv 2506.10031, embedded so). Of an encoder without batch
    normalisation the scores are those of `integration`.
    """

    metrics: ClassVar[Mapping[str, Direction]] = INTEGRATION_METRICS
    needs_of_arm: ClassVar[tuple[str, ...]] = ("encoder",)
    needs_of_cells: ClassVar[tuple[str, ...]] = ("labels", "batches")
    confirm_only: ClassVar[bool] = True  # nothing may be chosen by it

    def __init__(self, options: Options) -> None:
        pass

    def fit(
        self,
        *,
        train: Embedded,  # nothing is fitted
        val: Embedded,  # nothing is chosen
        generator: np.random.Generator,  # nothing here is random
    ) -> Fitted:
        """Return what scores cells; ConfigError C035 where only an embedding is known, DataError as `integration`."""
        return _evaluate


def _evaluate(cells: Embedded) -> Evaluation:
    if cells.networks is None:
        raise ConfigError(
            "evaluation task 'integration_in_train_mode' embeds cells anew, and here is only an embedding",
            code="C035",
            fix="score it by integration",
        )
    scored = batched_cells(cells, most=MOST_CELLS)
    order = np.argsort(scored.batch, kind="stable")
    z = np.empty_like(scored.z)
    z[order] = _embedded_in_train_mode(cells.networks, scored.cells, order)
    z = finite(z, of="the embedding in train mode")
    return Evaluation(scores=integration_scores(z, labels=scored.label, batches=scored.batch))


def _embedded_in_train_mode(networks: Networks, cells: Cells, order: np.ndarray) -> np.ndarray:
    """Return z (n_cells, embedding_dim) of cells in this order, by a copy whose batch normalisation is in train mode."""
    encoder = _in_train_mode(networks.encoder)
    n_minibatches = -(-len(order) // MINIBATCH)
    with torch.no_grad():
        parts = [
            encoder(encoder.inputs(cells.minibatch(index, device=networks.device))).cpu()
            for index in np.array_split(order, n_minibatches)
        ]
    return torch.cat(parts).numpy()


def _in_train_mode(encoder: Encoder) -> Encoder:
    """Return a copy in eval mode but for its batch normalisation: dropout would be another matter."""
    changed = copy.deepcopy(encoder).eval()
    for module in changed.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train()
    return changed
