"""A network with one hidden layer as a learner of the second modality, alone on z or together with the encoder."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from sslbench.encoders.base import embed_expression
from sslbench.errors import DivergedError
from sslbench.evaluation._columns import LinearColumns
from sslbench.evaluation._cross_modality import Known, Learnt, Predict
from sslbench.evaluation._expression import row_blocks
from sslbench.evaluation.base import Embedded
from sslbench.seeding import global_stream
from sslbench.standardisation import Standardisation

WIDTH, LEARNING_RATE, WEIGHT_DECAY, DROPOUT = 128, 1e-3, 0.01, 0.1
MINIBATCH, MAX_EPOCHS, PATIENCE = 128, 100, 8

See = Callable[[Embedded, np.ndarray], Any]  # what the front reads of the cells at positions (n,)
Front = Callable[[], nn.Module]  # a front that may be trained, new at every call


class Network(nn.Module):
    """A front that gives z, z measured by training cells, one hidden layer, a linear output."""

    centre: Tensor  # (embedding_dim,)
    scale: Tensor  # (embedding_dim,)

    def __init__(self, front: nn.Module, *, z: np.ndarray, n_features: int) -> None:
        super().__init__()
        self.front = front
        units = Standardisation.of(z.astype(np.float64))
        for name, values in (("centre", units.centre), ("scale", units.scale)):
            self.register_buffer(name, torch.from_numpy(values.astype(np.float32)))
        self.hidden = nn.Sequential(nn.Linear(z.shape[1], WIDTH), nn.GELU(), nn.Dropout(DROPOUT))
        self.output = nn.Linear(WIDTH, n_features)

    def forward(self, seen: Any) -> Tensor:
        """Return the hidden units (n_cells, WIDTH), from which `output` predicts."""
        units: Tensor = self.hidden((self.front(seen) - self.centre) / self.scale)
        return units

    def groups(self, *, front_rate: float) -> list[dict[str, Any]]:
        """Return the optimiser's groups: the front at its own learning rate, the head at the usual one."""
        head = [*self.hidden.parameters(), *self.output.parameters()]
        front = [p for p in self.front.parameters() if p.requires_grad]
        groups = [{"params": head, "lr": LEARNING_RATE}, {"params": front, "lr": front_rate}]
        return [group for group in groups if group["params"]]


class GradientLearner:
    """Its setting is the number of epochs; squared error, AdamW, the best epoch by cells held out is kept."""

    def __init__(
        self,
        front: Front,
        *,
        see: See,
        seed: int,
        device: str = "cpu",
        front_rate: float = LEARNING_RATE,
    ) -> None:
        self.front, self.see, self.seed = front, see, seed
        self.device, self.front_rate = device, front_rate

    def chosen(self, train: Known, *, held_out: Known) -> Learnt:
        """Train until `PATIENCE` epochs brought nothing better, and go back to the best one."""
        best, kept, after = math.inf, {}, 0

        def is_over(network: Network, epoch: int) -> bool:
            nonlocal best, kept, after
            error = self._error(network, held_out)
            if not math.isfinite(error):
                raise DivergedError(f"the error on the cells held out is {error} at epoch {epoch}")
            if error < best:
                best, kept, after = error, copy.deepcopy(network.state_dict()), epoch
            return epoch - after >= PATIENCE

        network = self._trained(train, n_epochs=MAX_EPOCHS, is_over=is_over)
        network.load_state_dict(kept)
        return Learnt(float(after), self._predict(network))

    def fitted(self, train: Known, *, setting: float) -> Predict:
        """Train for so many epochs."""
        n_epochs = max(1, round(setting))
        return self._predict(self._trained(train, n_epochs=n_epochs, is_over=lambda *_: False))

    def _trained(
        self, train: Known, *, n_epochs: int, is_over: Callable[[Network, int], bool]
    ) -> Network:
        orders = np.random.default_rng(self.seed)
        with global_stream(self.seed, "cross_modality"):  # of weights and dropout
            network = self._network(train)
            optimiser = torch.optim.AdamW(
                network.groups(front_rate=self.front_rate), weight_decay=WEIGHT_DECAY
            )
            for epoch in range(1, n_epochs + 1):
                self._epoch(network, train, optimiser, order=orders.permutation(len(train)))
                if is_over(network, epoch):
                    break
        return network

    def _network(self, train: Known) -> Network:
        n_features = train.targets.shape[1]
        return Network(self.front(), z=train.cells.z, n_features=n_features).to(self.device)

    def _epoch(
        self,
        network: Network,
        train: Known,
        optimiser: torch.optim.Optimizer,
        *,
        order: np.ndarray,
    ) -> None:
        network.train()
        for index in np.array_split(order, math.ceil(len(order) / MINIBATCH)):
            predicted = network.output(network(self.see(train.cells, index)))
            loss = mse_loss(predicted, self._targets(train, index))
            if not loss.isfinite():
                raise DivergedError(f"the loss of the second modality is {loss.item()}")
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()

    def _error(self, network: Network, known: Known) -> float:
        """Return the mean squared error over all values, in eval mode."""
        total = 0.0
        for index in row_blocks(np.arange(len(known)), n_features=known.targets.shape[1]):
            hidden = embed_expression(network, self.see(known.cells, index))
            with torch.inference_mode():
                predicted = network.output(hidden)
                total += mse_loss(predicted, self._targets(known, index), reduction="sum").item()
        return total / math.prod(known.targets.shape)

    def _targets(self, known: Known, index: np.ndarray) -> Tensor:
        rows = known.targets.rows(index).astype(np.float32)
        return torch.from_numpy(rows).to(self.device)

    def _predict(self, network: Network) -> Predict:
        weight, bias = (p.detach().cpu().numpy() for p in network.output.parameters())

        def predict(cells: Embedded) -> LinearColumns:
            blocks = row_blocks(np.arange(len(cells.z)), n_features=_width_of(cells))
            hidden = [embed_expression(network, self.see(cells, index)).cpu() for index in blocks]
            return LinearColumns(inputs=torch.cat(hidden).numpy(), weight=weight.T, bias=bias)

        return predict


def _width_of(cells: Embedded) -> int:
    """Return how many values of a cell the front may have to read at once."""
    return cells.cells.n_genes if cells.cells is not None else cells.z.shape[1]
