"""Barlow Twins: the cross-correlation of two views of the same cells is to be the identity."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from sslbench.data.cells import CellBatch, Cells
from sslbench.encoders.base import Encoder
from sslbench.pretext._options import ProjectorOptions, ViewOptions
from sslbench.pretext._precision import in_float32
from sslbench.pretext._projector import build_projector
from sslbench.pretext._views import Views
from sslbench.pretext.base import Loss, Pretext
from sslbench.registry import PRETEXTS

# Keeps the gradient finite where a dimension is constant; that of the authors' batch normalisation.
SMALLEST_VARIANCE = 1e-5


class Options(ViewOptions, ProjectorOptions):
    """How views are drawn and compared, and how much redundant dimensions cost."""

    off_diagonal_weight: float = Field(
        0.0051, ge=0, description="of the correlations between different dimensions (lambda)"
    )


@PRETEXTS.register
class BarlowTwins(Pretext):
    """Each dimension of the projection agrees between views and tells what the others do not.

    Source: Zbontar et al., "Barlow Twins: self-supervised learning via redundancy reduction", 2021,
    arXiv 2103.03230; on expression: Richter et al. 2024, doi 10.1038/s42256-024-00934-3.
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
        self.off_diagonal_weight = options.off_diagonal_weight

    def prepare(self, train: Cells) -> None:
        """Fit the augmentations."""
        self.views.prepare(train)

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Return how far the two views' cross-correlation is from the identity."""
        first, second, logs = self.views.two(minibatch, generator)
        value = barlow_twins_loss(
            self.projector(self.encoder(first)),
            self.projector(self.encoder(second)),
            off_diagonal_weight=self.off_diagonal_weight,
        )
        return Loss(value, logs)


@in_float32
def barlow_twins_loss(first: Tensor, second: Tensor, *, off_diagonal_weight: float) -> Tensor:
    """Return `sum_i (1 - C_ii)² + off_diagonal_weight * sum_i≠j C_ij²`; ≥ 0, lower is better.

    C (n_dimensions, n_dimensions) is the Pearson correlation over the cells of each dimension of `first`
    with each of `second`, both (n_cells, n_dimensions); that of a constant dimension is 0.
    """
    correlation = _standardised(first).T @ _standardised(second) / len(first)
    agreement = (1 - correlation.diagonal()).square().sum()
    redundancy = correlation.square().fill_diagonal_(0).sum()
    return agreement + off_diagonal_weight * redundancy


def _standardised(z: Tensor) -> Tensor:
    centred = z - z.mean(dim=0)
    return centred / (centred.square().mean(dim=0) + SMALLEST_VARIANCE).sqrt()
