"""NNCLR: the positive of a cell is the nearest other cell among recent projections."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from sslbench.data.cells import CellBatch, Cells
from sslbench.encoders.base import Encoder
from sslbench.pretext._options import PredictorOptions, QueueOptions, ViewOptions
from sslbench.pretext._precision import in_float32
from sslbench.pretext._projector import build_predictor, build_projector
from sslbench.pretext._queue import NO_CELL, Queue
from sslbench.pretext._views import Views
from sslbench.pretext.base import Loss, Pretext
from sslbench.registry import PRETEXTS


class Options(ViewOptions, PredictorOptions, QueueOptions):
    """How views are drawn and compared, and among how many projections the neighbour is sought."""

    temperature: float = Field(
        0.1, gt=0, le=10, description="of the softmax over cells; lower looks at the nearest ones"
    )


@PRETEXTS.register
class NNCLR(Pretext):
    """Predict the neighbour of one view from the other view, and tell it from the minibatch's others.

    Source: Dwibedi et al., "With a little help from my friends: nearest-neighbor contrastive learning of
    visual representations", 2021, arXiv 2104.14548. Here a cell's own older projections are no
    neighbours of it: with fewer cells than the queue has room for, they would always be the nearest.
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
        self.projector = build_projector(options, n_inputs=encoder.embedding_dim)
        self.predictor = build_predictor(options)
        self.temperature = options.temperature
        self.queue = Queue(options.queue_size, n_dimensions=options.projector_dim)

    def prepare(self, train: Cells) -> None:
        """Fit the augmentations."""
        self.views.prepare(train)

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Return the mean of both orders of the two views: neighbours of one, predictions of the other."""
        first, second, logs = self.views.two(minibatch, generator)
        z, other = self.projector(self.encoder(first)), self.projector(self.encoder(second))
        # The random directions that the queue begins with are nobody's neighbours.
        excluded = self.queue.of_same_cell(minibatch.row_ids) | (self.queue.row_ids == NO_CELL)
        value = torch.zeros((), device=z.device)
        for sought, predicting in ((z, other), (other, z)):
            neighbours = nearest(sought, among=self.queue.keys, excluded=excluded)
            value = value + nnclr_loss(
                neighbours, self.predictor(predicting), temperature=self.temperature
            )
        self.queue.stage(z, row_ids=minibatch.row_ids)
        return Loss(value / 2, logs)

    def after_step(self, *, progress: float) -> None:
        """Let the projections of this minibatch enter the queue."""
        self.queue.enqueue()


@torch.no_grad()
def nearest(z: Tensor, *, among: Tensor, excluded: Tensor) -> Tensor:
    """Return the row of `among` of highest cosine for each row of z, (n_cells, n_dimensions) like z.

    `among` is (n_keys, n_dimensions), its rows of unit length; `excluded` (n_cells, n_keys) says which
    of them are not considered; if that is all of them, the first is returned. No gradient flows back.
    """
    # the length of z changes no ranking
    similarity = (z @ among.T).masked_fill(excluded, -torch.inf)  # (n_cells, n_keys)
    return among[similarity.argmax(dim=1)]


@in_float32
def nnclr_loss(neighbours: Tensor, predicted: Tensor, *, temperature: float) -> Tensor:
    """Return the mean cross-entropy () of finding each neighbour's cell among `predicted`; ≥ 0, lower is better.

    Both are (n_cells, n_dimensions); similarities are cosine / temperature, and the other cells of the
    minibatch are the negatives.
    """
    logits = normalize(neighbours, dim=1) @ normalize(predicted, dim=1).T / temperature
    return cross_entropy(logits, torch.arange(len(logits), device=logits.device))
