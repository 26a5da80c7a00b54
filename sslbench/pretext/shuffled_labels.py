"""Control: logistic regression fitted on training labels that were permuted among the training cells."""

from __future__ import annotations

import numpy as np
import torch
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

C = 1.0  # the default of the baseline logistic_regression and of the protocol linear_probe


class Options(ComponentOptions):
    """Nothing to choose: a control is not tuned."""


@PRETEXTS.register
class ShuffledLabels(Pretext):
    """What is reached where nothing can be learned; a score above chance means that labels leak.

    Every seed of a trial is another permutation, so that the seeds are draws of its distribution.
    """

    regime = "supervised"
    sees_labels = True
    gradient_free = True
    embeds = False
    is_control = True
    control_encoder = "linear"
    permutes_labels = True
    classifier: nn.Linear

    def __init__(
        self,
        options: Options,
        *,
        encoder: Encoder,
        genes: tuple[str, ...],
        label_names: tuple[str, ...],
    ) -> None:
        refuse_other_encoders(encoder, task="shuffled_labels", names=("identity", "linear"))
        super().__init__(encoder)
        self.classifier = nn.Linear(encoder.embedding_dim, len(label_names))
        self.seed = int(torch.randint(2**31, ()))  # from the trial's stream, as weights are

    def prepare(self, train: Cells) -> None:
        """Fit on the labelled training cells, their labels permuted; raise DataError if there are none."""
        device = str(self.classifier.weight.device)
        z, label = fitted_reference(self.encoder, train, device=device)
        shuffled = np.random.default_rng(self.seed).permutation(label)
        write_probe(self.classifier, fit_probe(z, shuffled, c=C))

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Raise: `prepare` finds the optimum, there is nothing left to minimise."""
        raise RuntimeError("shuffled_labels has no loss; prepare(train) fits it (gradient_free)")
