"""The one optimisation loop: shuffled minibatches, clipped gradients, reports at fixed numbers of updates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from sslbench.config import TrainingOptions
from sslbench.data.cells import CellBatch, Cells
from sslbench.data.minibatch_order import MinibatchOrder
from sslbench.data.resident import resident
from sslbench.errors import DataError, DivergedError
from sslbench.lars import LARS
from sslbench.seeding import (
    global_stream,
    numpy_generator,
    restore_stream,
    stream_state,
    torch_generator,
)
from sslbench.training_state import State

SMALLEST_MINIBATCH = 2
OnReport = Callable[[int, dict[str, float]], bool]
Keep = Callable[[Callable[[], State]], None]
OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": partial(torch.optim.AdamW, fused=True),
    "lars": LARS,
}


class TrainingLoss(Protocol):
    """A value () to minimise and detached scalars worth a curve."""

    @property
    def value(self) -> Tensor: ...  # noqa: D102
    @property
    def logs(self) -> Mapping[str, Tensor]: ...  # noqa: D102


class Trainable(Protocol):
    """What `fit` asks of the network it trains."""

    @property
    def sees_labels(self) -> bool: ...  # noqa: D102
    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> TrainingLoss: ...  # noqa: D102
    def after_step(self, *, progress: float) -> None: ...  # noqa: D102
    def parameters(self) -> Iterator[nn.Parameter]: ...  # noqa: D102
    def train(self, mode: bool = True) -> Any: ...  # noqa: D102
    def state_dict(self) -> dict[str, Any]: ...  # noqa: D102
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any: ...  # noqa: D102


def fit(
    pretext: Trainable,
    train: Cells,
    options: TrainingOptions,
    *,
    seed: int,
    device: str,
    on_report: OnReport,
    groups: Sequence[Mapping[str, Any]] | None = None,
    keep: Keep | None = None,
    since: State | None = None,
) -> int:
    """Train until `max_updates` or until a report says stop; return the number of updates done.

    `pretext` is prepared and on `device`. Every `evaluate_every` updates, and at the end,
    `on_report(updates, means)` gets the means since the last report: `train/pretext/loss`,
    `train/pretext/gradient_norm` (before clipping) and the loss's own logs; it returns whether to go
    on. `groups` are the optimiser's parameter groups, where some parameters learn at a rate of their own.
    Whatever a report draws leaves the random streams of training as they were. Cells of a task that
    does not see labels have none.

    After a report that says go on, `keep` gets a function that returns the state of the training. Given as `since` to
    another call with the same arguments, it goes on from there, on a CPU to bit-equal weights.

    Raises
    ------
    DivergedError
        When a loss or gradient is not finite: at that update on a CPU, and at the next report on a
        GPU, where looking at every update would stall the device.
    DataError
        When there are fewer than two training cells.
    """
    if len(train) < SMALLEST_MINIBATCH:
        raise DataError(
            f"training needs at least {SMALLEST_MINIBATCH} cells, got {len(train)}", code="D302"
        )
    cells = train if pretext.sees_labels else train.without_labels()
    source = resident(cells, device=device) or cells
    masks = torch_generator(seed, "masks", device)
    order = MinibatchOrder(
        len(cells), options.minibatch_size, generator=numpy_generator(seed, "order")
    )
    optimiser = _optimiser(groups or [{"params": list(pretext.parameters())}], options)
    running = _Running(pretext, optimiser, masks, order, device)
    means = _Means()
    with global_stream(seed, "dropout"):
        before = running.restore(since) if since is not None else 0
        pretext.train()
        for updates in range(before + 1, options.max_updates + 1):
            minibatch = source.minibatch(next(order), device=device)
            _update(pretext, minibatch, optimiser, masks, clip=options.gradient_clip, means=means)
            pretext.after_step(progress=updates / options.max_updates)
            due = updates % options.evaluate_every == 0 or updates == options.max_updates
            if due or device == "cpu":
                means.refuse_non_finite(updates)
            if due and not _report(on_report, updates, means.flush()):
                return updates
            if due:
                pretext.train()
            if due and keep is not None and updates < options.max_updates:
                keep(partial(running.state, updates))
    return options.max_updates


@dataclass(frozen=True)
class _Running:
    """A network in training, and all else that its next update depends on; means are empty after a report."""

    pretext: Trainable
    optimiser: torch.optim.Optimizer
    masks: torch.Generator
    order: MinibatchOrder
    device: str

    def state(self, updates: int) -> State:
        """Return the state after a report; its tensors are those that training goes on to change."""
        moments = self.optimiser.state_dict()["state"]
        tensors = {f"network/{name}": tensor for name, tensor in self.pretext.state_dict().items()}
        tensors |= {
            f"optimiser/{i}/{name}": tensor
            for i, of_parameter in moments.items()
            for name, tensor in of_parameter.items()
        }
        streams = stream_state(self.device) | {"masks": self.masks.get_state()}
        tensors |= {f"stream/{name}": tensor for name, tensor in streams.items()}
        return State(tensors, {"updates": updates, "order": self.order.state()})

    def restore(self, state: State) -> int:
        """Make everything what it was; return the updates done by then."""
        by_kind: dict[str, dict[str, Tensor]] = {"network": {}, "optimiser": {}, "stream": {}}
        for name, tensor in state.tensors.items():
            kind, _, rest = name.partition("/")
            by_kind[kind][rest] = tensor
        self.pretext.load_state_dict(by_kind["network"])
        parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in by_kind["optimiser"].items():
            i, _, moment = name.partition("/")
            moments.setdefault(int(i), {})[moment] = _laid_out_as(parameters[int(i)], tensor)
        self.optimiser.load_state_dict(self.optimiser.state_dict() | {"state": moments})
        self.masks.set_state(by_kind["stream"].pop("masks"))
        restore_stream(by_kind["stream"], self.device)
        self.order.restore(state.facts["order"])
        return int(state.facts["updates"])


def _laid_out_as(parameter: Tensor, moment: Tensor) -> Tensor:
    """Return the moment in the memory layout of its parameter: fused AdamW looks at no strides."""
    if moment.shape != parameter.shape:  # the number of steps
        return moment
    return torch.empty_like(parameter, requires_grad=False).copy_(moment)


def _optimiser(
    groups: Sequence[Mapping[str, Any]], options: TrainingOptions
) -> torch.optim.Optimizer:
    trained = [dict(g, params=[p for p in g["params"] if p.requires_grad]) for g in groups]
    return OPTIMISERS[options.optimiser](
        trained, lr=options.learning_rate, weight_decay=options.weight_decay
    )


def _update(
    pretext: Trainable,
    minibatch: CellBatch,
    optimiser: torch.optim.Optimizer,
    masks: torch.Generator,
    *,
    clip: float,
    means: _Means,
) -> None:
    """Take one step down the gradient, clipped to norm `clip`, and add the loss to the means."""
    with mixed_precision(minibatch.library_size.device):
        loss = pretext.loss(minibatch, masks)
    optimiser.zero_grad(set_to_none=True)
    loss.value.backward()  # type: ignore[no-untyped-call]
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = nn.utils.get_total_norm(gradients)
    # On a CPU the norm is there to look at; a GPU multiplies by 1 rather than waits for it.
    if norm.device.type != "cpu" or norm > clip:
        nn.utils.clip_grads_with_norm_(parameters, clip, norm)
    optimiser.step()
    means.add({"loss": loss.value.detach(), "gradient_norm": norm, **loss.logs})


def mixed_precision(device: torch.device) -> AbstractContextManager[object]:
    """Return a block in which a GPU multiplies matrices in bfloat16; weights and moments stay float32.

    So do losses: those made of products and variances leave the block (`pretext/_precision.py`).

    A CPU without matrix units for it is six times slower in bfloat16, so there it is no block at all.
    """
    if device.type == "cpu":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def _report(on_report: OnReport, updates: int, means: dict[str, float]) -> bool:
    """Call `on_report` on a copy of torch's global stream, so that its draws cannot shift dropout's."""
    with torch.random.fork_rng():
        return on_report(updates, means)


class _Means:
    """Sums of scalars since the last report, kept on their device."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._n_updates = 0

    def add(self, scalars: Mapping[str, Tensor]) -> None:
        """Add the scalars of one update."""
        for name, scalar in scalars.items():
            self._sums[name] = self._sums[name] + scalar if name in self._sums else scalar
        self._n_updates += 1

    def refuse_non_finite(self, updates: int) -> None:
        """Raise DivergedError if a loss or gradient was NaN or infinite up to update `updates`."""
        for name in ("loss", "gradient_norm"):
            total = float(self._sums[name])
            if not math.isfinite(total):
                raise DivergedError(
                    f"{name} must be finite, got {total} by update {updates}; "
                    "lower training/learning_rate"
                )

    def flush(self) -> dict[str, float]:
        """Return the means by metric key and start anew."""
        means = {f"train/pretext/{k}": float(v) / self._n_updates for k, v in self._sums.items()}
        self._sums, self._n_updates = {}, 0
        return means
