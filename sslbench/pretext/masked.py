"""Masked autoencoder: hide genes, reconstruct them from the rest."""

from __future__ import annotations

import torch
from torch import Tensor

from sslbench.data.cells import CellBatch, Cells
from sslbench.encoders.base import Encoder
from sslbench.pretext._options import MaskOptions
from sslbench.pretext._reconstruction import Reconstruction
from sslbench.pretext.base import Loss, Pretext
from sslbench.registry import PRETEXTS


class Options(MaskOptions):
    """Which genes are hidden, how they are scored, and the decoder that is thrown away."""


@PRETEXTS.register
class Masked(Pretext):
    """Encoder of what is visible → decoder → head, scored on what the mask says.

    Source: He et al., "Masked autoencoders are scalable vision learners", 2021, arXiv 2111.06377; on
    expression: Richter et al. 2024, doi 10.1038/s42256-024-00934-3.
    """

    regime = "self-supervised"

    def __init__(
        self,
        options: Options,
        *,
        encoder: Encoder,
        genes: tuple[str, ...],
        label_names: tuple[str, ...],
    ) -> None:
        super().__init__(encoder)
        self.reconstruction = Reconstruction(
            options, embedding_dim=encoder.embedding_dim, n_genes=len(genes)
        )

    def prepare(self, train: Cells) -> None:
        """Read, or find on training cells, the programmes that the mask needs."""
        self.reconstruction.prepare(train)

    def reconstruct(self, minibatch: CellBatch) -> Tensor:
        """Return the expression (n_cells, n_genes) that the decoder expects of whole cells, in eval mode."""
        return self.reconstruction.expected(self.encoder, minibatch)

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Return the reconstruction loss over the scored genes, and the fraction of genes hidden."""
        hidden = self.reconstruction.hide(minibatch, generator)
        z = self.encoder(hidden.visible)
        value = self.reconstruction.loss(z, minibatch, hidden.scored)
        return Loss(value, {"hidden_fraction": hidden.fraction})
