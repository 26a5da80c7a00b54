"""Control: every cell gets the most frequent training label."""

from __future__ import annotations

import torch
from torch import nn

from sslbench.config import ComponentOptions
from sslbench.data.cells import CellBatch, Cells
from sslbench.encoders.base import Encoder
from sslbench.pretext._reference import labelled_cells
from sslbench.pretext.base import Loss, Pretext
from sslbench.registry import PRETEXTS


class Options(ComponentOptions):
    """Nothing to choose: a control is not tuned."""


@PRETEXTS.register
class Majority(Pretext):
    """What is reached without a look at the cell: its logits are the logarithms of label frequencies."""

    regime = "supervised"
    sees_labels = True
    gradient_free = True
    embeds = False
    is_control = True
    control_encoder = "linear"
    classifier: nn.Linear

    def __init__(
        self,
        options: Options,
        *,
        encoder: Encoder,
        genes: tuple[str, ...],
        label_names: tuple[str, ...],
    ) -> None:
        super().__init__(encoder)
        self.classifier = nn.Linear(encoder.embedding_dim, len(label_names))

    def prepare(self, train: Cells) -> None:
        """Count the training labels; of equally frequent ones the lowest code is given. DataError if there are none."""
        label = torch.from_numpy(labelled_cells(train).label)
        count = torch.bincount(label.long(), minlength=self.classifier.out_features)
        with torch.no_grad():
            self.classifier.weight.zero_()
            # half a cell each: a label without training cells has a finite logit too
            self.classifier.bias.copy_((count + 0.5).log())

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Raise: counting is all there is."""
        raise RuntimeError("majority has no loss; prepare(train) counts labels (gradient_free)")
