"""Bootstrap your own latent: predict a slow copy's projection of another view of the same cell."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from sslbench.data.cells import CellBatch, Cells
from sslbench.encoders.base import Encoder
from sslbench.pretext._momentum import follow, momentum_at, target_of
from sslbench.pretext._options import PredictorOptions, ViewOptions
from sslbench.pretext._precision import in_float32
from sslbench.pretext._projector import build_predictor, build_projector
from sslbench.pretext._views import Views
from sslbench.pretext.base import Loss, Pretext
from sslbench.registry import PRETEXTS


class Options(ViewOptions, PredictorOptions):
    """How views are drawn and compared, and how slowly the target follows."""

    momentum: float = Field(
        0.99,
        ge=0,
        le=1,
        description="of the target at the start; it grows to 1 along a cosine, and 0 stays 0",
    )


@PRETEXTS.register
class BYOL(Pretext):
    """Encoder, projector and predictor; the target is a moving average of encoder and projector.

    Source: Grill et al., "Bootstrap your own latent", 2020, arXiv 2006.07733; on expression: Richter et
    al. 2024, doi 10.1038/s42256-024-00934-3.
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
        self.projector = build_projector(options, n_inputs=encoder.embedding_dim)
        self.predictor = build_predictor(options)
        self.momentum = options.momentum
        self.target = target_of(self._online())

    def prepare(self, train: Cells) -> None:
        """Fit the augmentations."""
        self.views.prepare(train)

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Return the loss of both orders of the two views; 0 to 8, lower is better."""
        first, second, logs = self.views.two(minibatch, generator)
        online, target = self._online(), self.target
        with torch.no_grad():
            of_first, of_second = target(first), target(second)
        value = byol_loss(self.predictor(online(first)), target=of_second)
        value = value + byol_loss(self.predictor(online(second)), target=of_first)
        return Loss(value, logs)

    def after_step(self, *, progress: float) -> None:
        """Let the target follow."""
        follow(self.target, self._online(), momentum=momentum_at(progress, start=self.momentum))

    def _online(self) -> nn.Sequential:
        return nn.Sequential(self.encoder, self.projector)


@in_float32
def byol_loss(predicted: Tensor, *, target: Tensor) -> Tensor:
    """Return the mean over cells of 2 - 2 cos(predicted, target), both (n_cells, projector_dim); 0 to 4."""
    return (2 - 2 * cosine_similarity(predicted, target, dim=1)).mean()
