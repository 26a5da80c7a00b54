"""Momentum contrast: tell a slow copy's projection of the same cell from a queue of other cells'."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from sslbench.data.cells import CellBatch, Cells
from sslbench.encoders.base import Encoder
from sslbench.pretext._momentum import follow, momentum_at, target_of
from sslbench.pretext._options import ProjectorOptions, QueueOptions, ViewOptions
from sslbench.pretext._precision import in_float32
from sslbench.pretext._projector import build_projector
from sslbench.pretext._queue import Queue
from sslbench.pretext._views import Views
from sslbench.pretext.base import Loss, Pretext
from sslbench.registry import PRETEXTS


class Options(ViewOptions, ProjectorOptions, QueueOptions):
    """How views are drawn and compared, with how many keys, and how slowly the target follows."""

    momentum: float = Field(
        0.996,
        ge=0,
        le=1,
        description="of the target at the start; it grows to 1 along a cosine, and 0 stays 0",
    )
    temperature: float = Field(
        0.2, gt=0, le=10, description="of the softmax over keys; lower looks at the nearest ones"
    )


@PRETEXTS.register
class MoCo(Pretext):
    """Queries are the encoder's projections; keys are those of the target, a moving average of both.

    Source: He et al., "Momentum contrast for unsupervised visual representation learning", 2019, arXiv
    1911.05722; temperature and projector as in Chen et al. 2020, arXiv 2003.04297.
    """

    regime = "self-supervised"
    can_collapse = True
    projector: nn.Module

    def __init__(
        self,
        options: Options,
        *,
        encoder: Encoder,
        genes: tuple[str, ...],
        label_names: tuple[str, ...],
    ) -> None:
        super().__init__(encoder)
        self.views = Views(options)
        # With batch normalisation a query and its key share their minibatch's statistics and its negatives do
        # not: the loss could be solved by these (section 3.3 of the paper).
        self.projector = build_projector(options, n_inputs=encoder.embedding_dim, norm=nn.Identity)
        self.momentum, self.temperature = options.momentum, options.temperature
        self.target = target_of(self._online())
        self.queue = Queue(options.queue_size, n_dimensions=options.projector_dim)

    def prepare(self, train: Cells) -> None:
        """Fit the augmentations."""
        self.views.prepare(train)

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Return the cross-entropy of finding each query's key among those of other cells."""
        first, second, logs = self.views.two(minibatch, generator)
        with torch.no_grad():
            keys = self.target(second)
        value = moco_loss(
            self._online()(first),
            keys,
            negatives=self.queue.keys,
            # 400 training cells are five times in a queue of 2,048: without this, a cell's own older
            # keys, the nearest of all, would be what it is pushed away from.
            excluded=self.queue.of_same_cell(minibatch.row_ids),
            temperature=self.temperature,
        )
        self.queue.stage(keys, row_ids=minibatch.row_ids)
        return Loss(value, logs)

    def after_step(self, *, progress: float) -> None:
        """Let the target follow, and the keys of this minibatch enter the queue."""
        follow(self.target, self._online(), momentum=momentum_at(progress, start=self.momentum))
        self.queue.enqueue()

    def _online(self) -> nn.Sequential:
        return nn.Sequential(self.encoder, self.projector)


@in_float32
def moco_loss(
    queries: Tensor, keys: Tensor, *, negatives: Tensor, excluded: Tensor, temperature: float
) -> Tensor:
    """Return the mean cross-entropy () of finding each query's key; ≥ 0, lower is better.

    `queries` and `keys` are (n_cells, n_dimensions), row by row of the same cells; `negatives`
    (n_keys, n_dimensions); `excluded` (n_cells, n_keys) says which negatives a query is not compared
    with. Similarities are cosine / temperature; a query without negatives gives 0.
    """
    queries, keys, negatives = (normalize(z, dim=1) for z in (queries, keys, negatives))
    positive = (queries * keys).sum(dim=1, keepdim=True)  # (n_cells, 1)
    negative = (queries @ negatives.T).masked_fill(excluded, -torch.inf)  # (n_cells, n_keys)
    logits = torch.cat([positive, negative], dim=1) / temperature
    return cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))
