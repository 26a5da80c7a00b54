"""VICReg: views agree, every dimension varies over cells, and no two dimensions vary together."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import mse_loss, relu

from sslbench.data.cells import CellBatch, Cells
from sslbench.encoders.base import Encoder
from sslbench.pretext._options import ProjectorOptions, ViewOptions
from sslbench.pretext._precision import in_float32
from sslbench.pretext._projector import build_projector
from sslbench.pretext._views import Views
from sslbench.pretext.base import Loss, Pretext
from sslbench.registry import PRETEXTS

# Epsilon of the paper: keeps the gradient of a standard deviation finite at 0.
SMALLEST_VARIANCE = 1e-4

T = TypeVar("T", Tensor, float)


class VICRegTerms(NamedTuple, Generic[T]):
    """What agrees, varies and is redundant: the three terms, or the weight of each."""

    invariance: T
    variance: T
    covariance: T


class Options(ViewOptions, ProjectorOptions):
    """How views are drawn and compared, and what each of the three terms weighs."""

    invariance_weight: float = Field(25.0, ge=0, description="of the distance between views")
    variance_weight: float = Field(25.0, ge=0, description="of dimensions that vary too little")
    covariance_weight: float = Field(1.0, ge=0, description="of dimensions that vary together")


@PRETEXTS.register
class VICReg(Pretext):
    """Variance, invariance and covariance of the projections of two views.

    Source: Bardes, Ponce & LeCun, "VICReg: variance-invariance-covariance regularization for
    self-supervised learning", 2021, arXiv 2105.04906.
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
        self.weights = VICRegTerms(
            options.invariance_weight, options.variance_weight, options.covariance_weight
        )

    def prepare(self, train: Cells) -> None:
        """Fit the augmentations."""
        self.views.prepare(train)

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Return the weighted sum of the three terms; each of them, unweighted, is a curve."""
        first, second, logs = self.views.two(minibatch, generator)
        terms = vicreg_terms(
            self.projector(self.encoder(first)), self.projector(self.encoder(second))
        )
        curves = {name: term.detach() for name, term in terms._asdict().items()}
        return Loss(weighted_sum(terms, self.weights), logs | curves)


@in_float32
def vicreg_terms(first: Tensor, second: Tensor) -> VICRegTerms[Tensor]:
    """Return the three terms, () each, of two views, both (n_cells, n_dimensions) of n_cells ≥ 2.

    As in algorithm 1 of the paper, to whose form its weights belong: the distance is the mean over cells
    and dimensions, the others are summed over the two views. All ≥ 0, lower is better.
    """
    return VICRegTerms(
        invariance=mse_loss(first, second),
        variance=variance_loss(first) + variance_loss(second),
        covariance=covariance_loss(first) + covariance_loss(second),
    )


def variance_loss(z: Tensor) -> Tensor:
    """Return the mean over dimensions of `max(0, 1 - standard deviation over cells)`; 0 to 1.

    `z` is (n_cells, n_dimensions); 0 where every dimension varies by 1 or more.
    """
    return relu(1 - (z.var(dim=0) + SMALLEST_VARIANCE).sqrt()).mean()


def covariance_loss(z: Tensor) -> Tensor:
    """Return the sum of squared covariances of different dimensions, by the number of dimensions; ≥ 0.

    `z` is (n_cells, n_dimensions); 0 where no two dimensions vary together.
    """
    centred = z - z.mean(dim=0)
    covariance = centred.T @ centred / (len(z) - 1)
    return covariance.square().fill_diagonal_(0).sum() / z.shape[1]


def weighted_sum(terms: VICRegTerms[Tensor], weights: VICRegTerms[float]) -> Tensor:
    """Return the sum () of each term times its weight."""
    return torch.stack([weight * term for weight, term in zip(weights, terms)]).sum()
