"""Cell types by fine-tuning: a copy of the encoder and a new linear head are trained end to end on labels."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from sslbench.class_balance import accuracy_of, balanced_cross_entropy, balanced_weights
from sslbench.config import ComponentOptions, TrainingOptions
from sslbench.data.cells import CellBatch, Cells
from sslbench.encoders.base import Encoder, embed_cells, embed_rows
from sslbench.evaluation._cell_types import (
    CELL_TYPE_METRICS,
    cell_type_evaluation,
    finite,
    labelled_positions,
)
from sslbench.evaluation._expression import cells_of
from sslbench.evaluation._trained_encoder import networks_of, trainable_copy
from sslbench.evaluation.base import Embedded, Evaluation, EvaluationTask, Fitted
from sslbench.metrics.classification import macro_f1
from sslbench.registry import EVALUATIONS
from sslbench.results import Direction
from sslbench.seeding import global_stream
from sslbench.training import fit


class Options(ComponentOptions):
    """Trained like the supervised arm; the weights that are best on validation cells are kept."""

    learning_rate: float = Field(
        1e-3, gt=0, le=10, description="of the head, and of the encoder's last layer"
    )
    layer_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="each layer nearer the input learns this much slower than the next",
    )
    weight_decay: float = Field(0.01, ge=0, le=1, description="decoupled")
    max_updates: int = Field(400, ge=1, description="updates after which training ends")
    evaluate_every: int = Field(
        50, ge=1, description="updates between two looks at validation cells"
    )
    patience: int = Field(4, ge=1, description="looks without a better macro F1 before stopping")
    minibatch_size: int = Field(128, ge=2, le=65536, description="cells in one update")


@EVALUATIONS.register
class FineTune(EvaluationTask):
    """Class-balanced cross-entropy through the whole network; the arm's own weights stay as they are."""

    metrics: ClassVar[Mapping[str, Direction]] = CELL_TYPE_METRICS
    confirm_only: ClassVar[bool] = True
    trains_encoder: ClassVar[bool] = True

    def __init__(self, options: Options) -> None:
        self.options = options

    def fit(self, *, train: Embedded, val: Embedded, generator: np.random.Generator) -> Fitted:
        """Train on the labelled cells of `train`, keep what is best on those of `val`."""
        networks = networks_of(train, task="fine_tune", instead="knn or linear_probe")
        known = cells_of(train, task="fine_tune").at(labelled_positions(train))
        looked_at = cells_of(val, task="fine_tune")
        seed, device = int(generator.integers(2**31)), networks.device
        network = _network(networks.encoder, known, seed=seed).to(device)
        best = _Best(network, looked_at, device, patience=self.options.patience)
        fit(
            network,
            known,
            self._training(),
            seed=seed,
            device=device,
            on_report=best.keep,
            groups=network.groups(self.options.learning_rate, decay=self.options.layer_decay),
        )
        network.load_state_dict(best.weights)

        def evaluate(scored: Embedded) -> Evaluation:
            cells = cells_of(scored, task="fine_tune")
            logits = finite(network.logits(cells, device), of="the fine-tuned classifier")
            return cell_type_evaluation(logits.argmax(axis=1), scored)

        return evaluate

    def _training(self) -> TrainingOptions:
        shared = self.options.model_dump(exclude={"layer_decay"})
        return TrainingOptions.model_validate(shared)


class _Loss(NamedTuple):
    value: Tensor  # ()
    logs: dict[str, Tensor]


class _Network(nn.Module):
    """An encoder with a linear head on its embedding."""

    sees_labels = True
    class_weight: Tensor  # (n_labels,) float32

    def __init__(self, encoder: Encoder, class_weight: Tensor) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.embedding_dim, len(class_weight))
        self.register_buffer("class_weight", class_weight)

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> _Loss:
        """Return the class-balanced cross-entropy of the minibatch's labels."""
        assert minibatch.label is not None
        logits = self.head(self.encoder(self.encoder.inputs(minibatch)))
        loss = balanced_cross_entropy(logits, minibatch.label, weight=self.class_weight)
        return _Loss(loss, {"accuracy": accuracy_of(logits, minibatch.label)})

    def after_step(self, *, progress: float) -> None:
        """Nothing follows the weights."""

    def groups(self, learning_rate: float, *, decay: float) -> list[dict[str, Any]]:
        """Return the optimiser's groups: the head at `learning_rate`, each layer below `decay` times slower."""
        layers = [m for m in self.encoder.modules() if list(m.parameters(recurse=False))]
        below = [
            {"params": list(m.parameters(recurse=False)), "lr": learning_rate * decay**i}
            for i, m in enumerate(reversed(layers))
        ]
        return [{"params": list(self.head.parameters()), "lr": learning_rate}, *below]

    def logits(self, cells: Cells, device: str) -> np.ndarray:
        """Return the logits (n_cells, n_labels) float32 of cells, in eval mode."""
        return embed_rows(self.head, embed_cells(self.encoder, cells, device=device), device=device)


def _network(encoder: Encoder, known: Cells, *, seed: int) -> _Network:
    """Return a copy of the encoder with a new head; the encoder itself is never trained."""
    assert known.label is not None
    label = torch.from_numpy(known.label)
    weight = balanced_weights(label, n_labels=len(known.label_names))
    with global_stream(seed, "init"):
        return _Network(trainable_copy(encoder), weight)


class _Best:
    """The weights that were best on validation cells so far."""

    def __init__(self, network: _Network, val: Cells, device: str, *, patience: int) -> None:
        self.network, self.val, self.device, self.patience = network, val, device, patience
        self.weights = copy.deepcopy(network.state_dict())
        self.score, self.n_worse = -1.0, 0

    def keep(self, updates: int, means: dict[str, float]) -> bool:
        """Look at validation cells; say whether to go on."""
        assert self.val.label is not None
        predicted = self.network.logits(self.val, self.device).argmax(axis=1)
        n_labels = len(self.val.label_names)
        score = macro_f1(truth=self.val.label, predicted=predicted, n_labels=n_labels)
        self.n_worse += 1
        if score > self.score:
            self.score, self.n_worse = score, 0
            self.weights = copy.deepcopy(self.network.state_dict())
        return self.n_worse < self.patience
