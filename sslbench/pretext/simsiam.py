"""SimSiam: predict the projection of another view of the same cell, with neither negatives nor a target."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from sslbench.data.cells import CellBatch, Cells
from sslbench.encoders.base import Encoder
from sslbench.pretext._options import PredictorOptions, ViewOptions
from sslbench.pretext._projector import build_predictor, build_projector
from sslbench.pretext._views import Views
from sslbench.pretext.base import Loss, Pretext
from sslbench.registry import PRETEXTS


class Options(ViewOptions, PredictorOptions):
    """How views are drawn and compared."""


@PRETEXTS.register
class SimSiam(Pretext):
    """Encoder, projector and predictor; no gradient reaches the projection that is predicted.

    Source: Chen & He, "Exploring simple Siamese representation learning", 2020, arXiv 2011.10566.
    """

    regime = "self-supervised"
    can_collapse = True
    projector: nn.Module

    def __init__(
        self,
        options: Options,
        *,
        encoder: Encoder,
        genes: tuple[str, ...],
        label_names: tuple[str, ...],
    ) -> None:
        super().__init__(encoder)
        self.views = Views(options)
        # The paper's projector ends in batch normalisation (its table 3), those of other tasks do not.
        self.projector = nn.Sequential(
            build_projector(options, n_inputs=encoder.embedding_dim),
            nn.BatchNorm1d(options.projector_dim, affine=False),
        )
        self.predictor = build_predictor(options)

    def prepare(self, train: Cells) -> None:
        """Fit the augmentations."""
        self.views.prepare(train)

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Return the mean of both orders of the two views; -1 to 1, lower is better."""
        first, second, logs = self.views.two(minibatch, generator)
        z, other = self.projector(self.encoder(first)), self.projector(self.encoder(second))
        value = negative_cosine(self.predictor(z), projected=other)
        value = value + negative_cosine(self.predictor(other), projected=z)
        return Loss(value / 2, logs)


def negative_cosine(predicted: Tensor, *, projected: Tensor) -> Tensor:
    """Return the mean over cells of -cos(predicted, projected), both (n_cells, n_dimensions); -1 to 1.

    No gradient flows into `projected`.
    """
    return -cosine_similarity(predicted, projected.detach(), dim=1).mean()
