"""Principal components of the training cells, written into a linear encoder."""

from __future__ import annotations

import torch

from sslbench.config import ComponentOptions
from sslbench.data.cells import CellBatch, Cells
from sslbench.encoders.base import Encoder
from sslbench.errors import ConfigError
from sslbench.pretext._components import most_components, refuse_other_encoders, write_components
from sslbench.pretext.base import Loss, Pretext
from sslbench.registry import PRETEXTS


class Options(ComponentOptions):
    """Nothing to choose: the linear encoder's embedding_dim is the number of components."""


@PRETEXTS.register
class PrincipalComponents(Pretext):
    """Exact components, never a randomised solver; `encoder(x)` equals scikit-learn's transform."""

    regime = "unsupervised"
    gradient_free = True

    def __init__(
        self,
        options: Options,
        *,
        encoder: Encoder,
        genes: tuple[str, ...],
        label_names: tuple[str, ...],
    ) -> None:
        refuse_other_encoders(encoder, task="pca", names=("linear",))
        super().__init__(encoder)

    def prepare(self, train: Cells) -> None:
        """Fit on the expression of training cells; raise ConfigError if they span too few dimensions."""
        n_components, most = self.encoder.embedding_dim, most_components(train)
        if n_components > most:
            raise ConfigError(
                f"pca of {len(train)} cells x {train.n_genes} genes has at most {most} components, "
                f"got embedding_dim={n_components}",
                code="C031",
                fix=f"set encoder/embedding_dim to {most} or less",
            )
        write_components(self.encoder, train, n_components=n_components)

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Raise: there is no loss to minimise, `prepare` is all there is."""
        raise RuntimeError("pca has no loss; prepare(train) already fits it (gradient_free)")
