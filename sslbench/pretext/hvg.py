"""Expression baseline: no representation is learned, the genes of the data set are the embedding."""

from __future__ import annotations

import torch

from sslbench.config import ComponentOptions
from sslbench.data.cells import CellBatch
from sslbench.encoders.base import Encoder
from sslbench.pretext._components import refuse_other_encoders
from sslbench.pretext.base import Loss, Pretext
from sslbench.registry import PRETEXTS


class Options(ComponentOptions):
    """Nothing to choose: `n_top_genes` of the data set says how many highly variable genes there are."""


@PRETEXTS.register
class HighlyVariableGenes(Pretext):
    """What the protocols make of normalised expression itself: an encoder that loses to it is not worth its training."""

    regime = "unsupervised"
    gradient_free = True

    def __init__(
        self,
        options: Options,
        *,
        encoder: Encoder,
        genes: tuple[str, ...],
        label_names: tuple[str, ...],
    ) -> None:
        refuse_other_encoders(encoder, task="hvg", names=("identity",))
        super().__init__(encoder)

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Raise: there is no loss to minimise, nothing is trained."""
        raise RuntimeError("hvg has no loss; expression stays as it is (gradient_free)")
