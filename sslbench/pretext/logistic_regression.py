"""Classifier baseline: class-balanced logistic regression on genes or on principal components."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import nn

from sslbench.config import ComponentOptions
from sslbench.data.cells import CellBatch, Cells
from sslbench.encoders.base import Encoder
from sslbench.pretext._components import refuse_other_encoders
from sslbench.pretext._linear_classifier import write_probe
from sslbench.pretext._reference import fitted_reference
from sslbench.pretext.base import Loss, Pretext
from sslbench.probe import fit_probe
from sslbench.registry import PRETEXTS


class Options(ComponentOptions):
    """The encoder says on what: identity are genes, linear its embedding_dim principal components."""

    c: float = Field(
        1.0, gt=0, le=10_000, description="inverse strength of the L2 penalty (scikit-learn's C)"
    )


@PRETEXTS.register
class LogisticRegressionOfCells(Pretext):
    """Multinomial regression on standardised inputs, the linear probe's own; it is kept as one linear layer."""

    regime = "supervised"
    sees_labels = True
    gradient_free = True
    embeds = False
    classifier: nn.Linear

    def __init__(
        self,
        options: Options,
        *,
        encoder: Encoder,
        genes: tuple[str, ...],
        label_names: tuple[str, ...],
    ) -> None:
        refuse_other_encoders(encoder, task="logistic_regression", names=("identity", "linear"))
        super().__init__(encoder)
        self.c = options.c
        self.classifier = nn.Linear(encoder.embedding_dim, len(label_names))

    def prepare(self, train: Cells) -> None:
        """Fit on the labelled training cells; raise DataError if there are none."""
        device = str(self.classifier.weight.device)
        z, label = fitted_reference(self.encoder, train, device=device)
        write_probe(self.classifier, fit_probe(z, label, c=self.c))

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Raise: `prepare` finds the optimum, there is nothing left to minimise."""
        raise RuntimeError(
            "logistic_regression has no loss; prepare(train) fits it (gradient_free)"
        )
