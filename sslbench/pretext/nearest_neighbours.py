"""Classifier baseline: a cell gets the majority label of its k nearest training cells, by genes or principal components."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from sslbench.config import ComponentOptions
from sslbench.data.cells import CellBatch, Cells
from sslbench.encoders.base import Encoder
from sslbench.neighbours import neighbour_votes
from sslbench.pretext._components import refuse_other_encoders
from sslbench.pretext._reference import Reference, fitted_reference
from sslbench.pretext.base import Loss, Pretext
from sslbench.registry import PRETEXTS


class Options(ComponentOptions):
    """The encoder says by what: identity are genes, linear its embedding_dim principal components."""

    k: int = Field(
        5,
        ge=1,
        le=1000,
        description="neighbours that vote; all training cells where there are fewer",
    )


class Voters(nn.Module):
    """Logits are the logarithms of the neighbours' votes, as the protocol knn counts them, ties included."""

    def __init__(self, *, k: int, n_labels: int) -> None:
        super().__init__()
        self.k, self.n_labels = k, n_labels
        self.reference: Reference | None = None

    def forward(self, z: Tensor) -> Tensor:
        """Return logits (n_cells, n_labels) float64 of z (n_cells, embedding_dim)."""
        assert self.reference is not None, "prepare(train) keeps the cells that vote"
        known, label = self.reference
        query = z.double().cpu().numpy()
        votes = neighbour_votes(
            query, reference=known, label=label, n_labels=self.n_labels, k=self.k
        )
        # Less than one vote: it settles a tie and no more, and gives every label a finite logit.
        share = votes.share + 0.25 / (len(known) * self.n_labels)
        share[np.arange(len(share)), votes.winner] += 0.25 / len(known)
        return torch.from_numpy(np.log(share)).to(z.device)


@PRETEXTS.register
class NearestNeighbours(Pretext):
    """The same vote as the protocol `knn`, with its k searched; source: Cover & Hart 1967, doi 10.1109/TIT.1967.1053964.

    It has no weights but the training cells themselves, which do not leave with a model: it leaves no model folder.
    """

    regime = "supervised"
    sees_labels = True
    gradient_free = True
    embeds = False
    leaves_checkpoint = False
    classifier: Voters

    def __init__(
        self,
        options: Options,
        *,
        encoder: Encoder,
        genes: tuple[str, ...],
        label_names: tuple[str, ...],
    ) -> None:
        refuse_other_encoders(encoder, task="nearest_neighbours", names=("identity", "linear"))
        super().__init__(encoder)
        self.classifier = Voters(k=options.k, n_labels=len(label_names))

    def prepare(self, train: Cells) -> None:
        """Keep the labelled training cells; raise DataError if there are none."""
        self.classifier.reference = fitted_reference(
            self.encoder, train, device=_device_of(self.encoder)
        )

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Raise: cells are kept, nothing is minimised."""
        raise RuntimeError(
            "nearest_neighbours has no loss; prepare(train) keeps cells (gradient_free)"
        )


def _device_of(encoder: Encoder) -> str:
    """Return where an encoder's weights are; one without weights works where its cells are."""
    return next((str(p.device) for p in encoder.parameters()), "cpu")
