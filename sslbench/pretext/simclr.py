"""SimCLR: tell the other view of a cell from the views of all other cells of the minibatch."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import nn

from sslbench.data.cells import CellBatch, Cells
from sslbench.encoders.base import Encoder
from sslbench.pretext._nt_xent import nt_xent
from sslbench.pretext._options import ProjectorOptions, ViewOptions
from sslbench.pretext._projector import build_projector
from sslbench.pretext._views import Views
from sslbench.pretext.base import Loss, Pretext
from sslbench.registry import PRETEXTS


class Options(ViewOptions, ProjectorOptions):
    """How views are drawn and compared, and how sharply."""

    temperature: float = Field(
        0.2, gt=0, le=10, description="of the softmax over cells; lower looks at the nearest ones"
    )


@PRETEXTS.register
class SimCLR(Pretext):
    """Normalised, temperature-scaled cross-entropy between the projections of two views.

    Source: Chen et al., "A simple framework for contrastive learning of visual representations", 2020,
    arXiv 2002.05709.
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
        self.temperature = options.temperature

    def prepare(self, train: Cells) -> None:
        """Fit the augmentations."""
        self.views.prepare(train)

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Return the cross-entropy of finding each view's other view."""
        first, second, logs = self.views.two(minibatch, generator)
        value = nt_xent(
            self.projector(self.encoder(first)),
            self.projector(self.encoder(second)),
            temperature=self.temperature,
        )
        return Loss(value, logs)
