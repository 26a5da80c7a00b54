"""Untrained baseline: the encoder keeps the weights it was born with."""

from __future__ import annotations

import torch

from sslbench.config import ComponentOptions
from sslbench.data.cells import CellBatch
from sslbench.encoders.base import Encoder
from sslbench.pretext.base import Loss, Pretext
from sslbench.registry import PRETEXTS


class Options(ComponentOptions):
    """Nothing to choose: the encoder's options say the rest."""


@PRETEXTS.register
class RandomInit(Pretext):
    """What the architecture alone is worth: the bottom of the scale that every other arm is read on."""

    regime = "untrained"
    gradient_free = True
    is_control = True

    def __init__(
        self,
        options: Options,
        *,
        encoder: Encoder,
        genes: tuple[str, ...],
        label_names: tuple[str, ...],
    ) -> None:
        super().__init__(encoder)

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Raise: there is no loss to minimise, nothing is trained."""
        raise RuntimeError("random_init has no loss; the encoder stays as it is (gradient_free)")
