"""Supervised baseline: the same encoder with a linear classifier, trained on labels from scratch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslbench.class_balance import accuracy_of, balanced_cross_entropy, balanced_weights
from sslbench.config import ComponentOptions
from sslbench.data.cells import UNLABELLED, CellBatch, Cells
from sslbench.encoders.base import Encoder
from sslbench.errors import DataError
from sslbench.pretext.base import Loss, Pretext
from sslbench.registry import PRETEXTS


class Options(ComponentOptions):
    """Nothing to choose: encoder and training options say the rest."""


@PRETEXTS.register
class Supervised(Pretext):
    """Cross-entropy of a linear layer on z, each label weighted by the inverse of its frequency."""

    regime = "supervised"
    sees_labels = True
    classifier: nn.Module
    class_weight: Tensor  # (n_labels,) float32

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
        self.register_buffer("class_weight", torch.ones(len(label_names)))

    def prepare(self, train: Cells) -> None:
        """Fit the class weights on the training labels; raise DataError if there are none."""
        label = torch.empty(0) if train.label is None else torch.from_numpy(train.label)
        labelled = label[label != UNLABELLED].long()
        if len(labelled) == 0:
            raise DataError(
                "supervised training needs labels, but no training cell has one",
                code="D301",
                fix="check label_key of the data set, or leave the supervised arm out",
            )
        self.class_weight.copy_(balanced_weights(labelled, n_labels=len(self.class_weight)))

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Return the weighted mean cross-entropy of the labelled cells, 0 if there are none."""
        if minibatch.label is None:
            raise ValueError("supervised training needs a minibatch with labels, got label=None")
        logits, label = self.classifier(self.encoder(minibatch.expression)), minibatch.label
        loss = balanced_cross_entropy(logits, label, weight=self.class_weight)
        return Loss(loss, {"accuracy": accuracy_of(logits, label)})
