"""Hybrid: reconstruct the hidden genes of two views of a cell, and tell the cell from others by both."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from sslbench.data.cells import CellBatch, Cells
from sslbench.data.packed import Expression
from sslbench.encoders.base import Encoder
from sslbench.pretext._nt_xent import nt_xent
from sslbench.pretext._options import (
    MaskOptions,
    ProjectorOptions,
    ViewOptions,
    chosen_augmentations,
)
from sslbench.pretext._projector import build_projector
from sslbench.pretext._reconstruction import Reconstruction
from sslbench.pretext._views import Views
from sslbench.pretext.base import Loss, Pretext
from sslbench.registry import PRETEXTS


class Options(MaskOptions, ViewOptions, ProjectorOptions):
    """What both views hide, what else makes them differ, and what each of the two terms weighs."""

    # Each view has a mask of its own, so that they differ without any augmentation.
    default_view: ClassVar[str | None] = None

    reconstruction_weight: float = Field(1.0, ge=0, description="of reconstructing hidden genes")
    invariance_weight: float = Field(0.1, ge=0, description="of finding a cell's other view")
    temperature: float = Field(
        0.2, gt=0, le=10, description="of the softmax over cells; lower looks at the nearest ones"
    )

    @model_validator(mode="after")
    def _something_is_learnt(self) -> Options:
        if self.reconstruction_weight == 0 and self.invariance_weight == 0:
            raise ValueError(
                "reconstruction_weight and invariance_weight must not both be 0: nothing would be "
                "learnt; raise one of them, or choose random_init"
            )
        return self

    @model_validator(mode="after")
    def _outputs_are_drawn(self) -> Options:
        if self.head_fraction not in (None, 1.0) and chosen_augmentations(self):
            raise ValueError(
                "head_fraction has no effect on augmented views; leave it or the augmentations out"
            )
        return self


class MaskedView(NamedTuple):
    """What the encoder made of the visible part of a view, and how well that tells the hidden part."""

    z: Tensor  # (n_cells, embedding_dim)
    reconstruction: Tensor  # ()
    hidden_fraction: Tensor  # ()


@PRETEXTS.register
class Hybrid(Pretext):
    """A masked autoencoder of two views whose projections are compared as those of SimCLR.

    Source: Mishra et al., "A simple, efficient and scalable contrastive masked autoencoder for learning
    visual representations", 2022, arXiv 2210.16870. The invariance term has negatives because nothing
    else keeps the projector from one point: with the cosine distance alone it was there within 100
    updates at any weight, and the term no longer reached the encoder.
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
        self.reconstruction = Reconstruction(
            options, embedding_dim=encoder.embedding_dim, n_genes=len(genes)
        )
        self.projector = build_projector(options, n_inputs=encoder.embedding_dim)
        self.reconstruction_weight = options.reconstruction_weight
        self.invariance_weight = options.invariance_weight
        self.temperature = options.temperature

    def prepare(self, train: Cells) -> None:
        """Fit the augmentations and the programmes that the mask needs."""
        self.views.prepare(train)
        self.reconstruction.prepare(train)

    def reconstruct(self, minibatch: CellBatch) -> Tensor:
        """Return the expression (n_cells, n_genes) that the decoder expects of whole cells, in eval mode."""
        return self.reconstruction.expected(self.encoder, minibatch)

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Return the weighted sum of both terms; each of them, unweighted, is a curve."""
        drawn = self.views.two(minibatch, generator)
        first = self.masked_view(drawn.first, of=minibatch, generator=generator)
        second = self.masked_view(drawn.second, of=minibatch, generator=generator)
        reconstruction = (first.reconstruction + second.reconstruction) / 2
        invariance = nt_xent(
            self.projector(first.z), self.projector(second.z), temperature=self.temperature
        )
        value = self.reconstruction_weight * reconstruction + self.invariance_weight * invariance
        logs = {
            "reconstruction": reconstruction.detach(),
            "invariance": invariance.detach(),
            "hidden_fraction": (first.hidden_fraction + second.hidden_fraction) / 2,
        }
        return Loss(value, drawn.logs | logs)

    def masked_view(
        self, x: Expression, *, of: CellBatch, generator: torch.Generator
    ) -> MaskedView:
        """Hide genes of the view x (n_cells, n_genes) and reconstruct the cells as they were measured."""
        view = of.seen_as(x) if isinstance(x, Tensor) else of
        hidden = self.reconstruction.hide(view, generator)
        z = self.encoder(hidden.visible)
        reconstructed = self.reconstruction.loss(z, of, hidden.scored)
        return MaskedView(z, reconstructed, hidden.fraction)
