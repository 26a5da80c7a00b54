"""Principal components of the training cells, written into a linear encoder."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.decomposition import PCA

from sslbench.config import ComponentOptions
from sslbench.data.cells import CellBatch, Cells, normalise
from sslbench.encoders.base import Encoder
from sslbench.errors import ConfigError
from sslbench.pretext.base import Loss, Pretext
from sslbench.registry import ENCODERS, PRETEXTS


class Options(ComponentOptions):
    """Nothing to choose: the linear encoder's embedding_dim is the number of components."""


@PRETEXTS.register
class PrincipalComponents(Pretext):
    """Deterministic full singular value decomposition; `encoder(x)` equals scikit-learn's transform."""

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
        if not isinstance(encoder, ENCODERS.load("linear")):
            raise ConfigError(
                f"pca writes its components into a linear encoder, got {type(encoder).__name__}",
                code="C030",
                fix="write encoder: {name: linear}",
            )
        super().__init__(encoder)

    def prepare(self, train: Cells) -> None:
        """Fit on the expression of training cells; raise ConfigError if they span too few dimensions."""
        n_components, most = self.encoder.embedding_dim, min(len(train), train.n_genes)
        if n_components > most:
            raise ConfigError(
                f"pca of {len(train)} cells x {train.n_genes} genes has at most {most} components, "
                f"got embedding_dim={n_components}",
                code="C031",
                fix=f"set encoder/embedding_dim to {most} or less",
            )
        counts = torch.from_numpy(train.dense_counts())
        # float64: the float32 result must not depend on the order of a sum.
        x = normalise(counts, counts.sum(dim=1)).double().numpy()
        fitted = PCA(n_components, svd_solver="full").fit(x)
        self._write(fitted.components_, -fitted.components_ @ fitted.mean_)

    def _write(self, weight: np.ndarray, bias: np.ndarray) -> None:
        projection = self.encoder.get_submodule("projection")
        state = {"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)}
        projection.load_state_dict(state)

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Raise: there is no loss to minimise, `prepare` is all there is."""
        raise RuntimeError("pca has no loss; prepare(train) already fits it (gradient_free)")
