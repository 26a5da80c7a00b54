"""The contract of a pretext task: how an encoder gets its weights, baselines included."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from sslbench.data.cells import CellBatch, Cells
from sslbench.encoders.base import Encoder
from sslbench.errors import ConfigError
from sslbench.registry import PRETEXTS, defining_module
from sslbench.results import Regime


class Loss(NamedTuple):
    """The value that is minimised, and what else is worth a curve (detached scalars by name)."""

    value: Tensor  # ()
    logs: dict[str, Tensor]


class Pretext(nn.Module, ABC):
    """Owns the encoder and every part that is thrown away after training (decoder, projector, head).

    Subclasses take `(options, encoder=…, genes=…, label_names=…)`, call `super().__init__(encoder)` and
    build their parts there; whatever must be fitted is fitted in `prepare`, on training cells.
    """

    regime: ClassVar[Regime]
    sees_labels: ClassVar[bool] = False  # False: neither `prepare` nor a minibatch carries labels
    gradient_free: ClassVar[bool] = False  # True: `prepare` is all there is
    can_collapse: ClassVar[bool] = False  # True: a trial whose embedding collapses is not scored
    # False: a predictor whose z is not its own (genes, components); only its classifier is scored.
    embeds: ClassVar[bool] = True
    # True: shows how to read the others' scores; every sweep gets it, and it is never a rival or the champion.
    is_control: ClassVar[bool] = False
    control_encoder: ClassVar[str | None] = None  # of the control; None: that of a trained arm
    permutes_labels: ClassVar[bool] = False  # True: learns nothing that is true of labels
    # False: what is fitted is no tensors, or training cells themselves; its trials leave no model folder.
    leaves_checkpoint: ClassVar[bool] = True
    classifier: nn.Module | None  # maps z to logits over label_names, where the task has one
    projector: nn.Module | None  # maps z to where views are compared, where the task has one
    # A method of the tasks that have a decoder: from cells, of which nothing is hidden, to the log-normalised
    # expression (n_cells, n_genes) that it expects, in eval mode and without gradients.
    reconstruct: Callable[[CellBatch], Tensor] | None = None

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        # Set here and not on the class: a class attribute would hide the module a subclass registers.
        self.classifier = None
        self.projector = None

    def prepare(self, train: Cells) -> None:
        """Fit on training cells what the task needs; by default nothing."""

    def rehearse(self, train: Cells) -> None:
        """Find out whether `prepare` can be done on such cells, by default by doing it."""
        self.prepare(train)

    @abstractmethod
    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Return the loss of one minibatch; every random draw comes from `generator`."""

    def after_step(self, *, progress: float) -> None:
        """Update what follows the weights without gradients (moving-average targets, queues).

        `progress` is the fraction of `max_updates` that is done, in (0, 1].
        """


def build_pretext(
    name: str,
    options: dict[str, Any],
    *,
    encoder: Encoder,
    genes: tuple[str, ...],
    label_names: tuple[str, ...],
) -> Pretext:
    """Build the registered pretext task `name`; weights are drawn from torch's global stream."""
    pretext_class = PRETEXTS.load(name)
    if encoder.reads_counts and not pretext_class.gradient_free:
        raise ConfigError(
            f"{name} trains encoders on normalised expression, and {type(encoder).__name__} reads raw counts",
            code="C030",
            fix="encoder: {name: mlp}",
        )
    checked = defining_module(pretext_class).Options.model_validate(options)
    pretext: Pretext = pretext_class(checked, encoder=encoder, genes=genes, label_names=label_names)
    return pretext
