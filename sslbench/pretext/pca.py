"""Principal components of the training cells, written into a linear encoder."""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg import eigh
from sklearn.decomposition import PCA

from sslbench.config import ComponentOptions
from sslbench.data.cells import CellBatch, Cells
from sslbench.encoders.base import Encoder
from sslbench.errors import ConfigError
from sslbench.pretext.base import Loss, Pretext
from sslbench.registry import ENCODERS, PRETEXTS

VALUES = 8_000_000  # of expression at once, in float64: 64 MB


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
        few = len(train) <= train.n_genes
        components, mean = (of_few_cells if few else of_many_cells)(train, n_components)
        self._write(components, -components @ mean)

    def _write(self, weight: np.ndarray, bias: np.ndarray) -> None:
        projection = self.encoder.get_submodule("projection")
        state = {"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)}
        projection.load_state_dict(state)

    def loss(self, minibatch: CellBatch, generator: torch.Generator) -> Loss:
        """Raise: there is no loss to minimise, `prepare` is all there is."""
        raise RuntimeError("pca has no loss; prepare(train) already fits it (gradient_free)")


def of_few_cells(train: Cells, n_components: int) -> tuple[np.ndarray, np.ndarray]:
    """Return components (n_components, n_genes) and mean (n_genes,), float64, of all cells at once."""
    # float64: the float32 result must not depend on the order of a sum.
    x = train.minibatch(np.arange(len(train))).x.double().numpy()
    fitted = PCA(n_components, svd_solver="full").fit(x)
    return fitted.components_, fitted.mean_


def of_many_cells(train: Cells, n_components: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the same from the covariance of genes, summed over blocks: memory grows with genes alone."""
    n_genes = train.n_genes
    products = torch.zeros(n_genes, n_genes, dtype=torch.float64)
    total = torch.zeros(n_genes, dtype=torch.float64)
    n_rows = max(1, VALUES // n_genes)
    for start in range(0, len(train), n_rows):
        x = train.minibatch(np.arange(start, min(start + n_rows, len(train)))).x.double()
        products.addmm_(x.T, x)
        total += x.sum(dim=0)
    mean = total.numpy() / len(train)
    covariance = products.div_(len(train)).sub_(torch.outer(total, total) / len(train) ** 2).numpy()
    last = (n_genes - n_components, n_genes - 1)
    components = eigh(covariance, subset_by_index=last, overwrite_a=True)[1].T[::-1]
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    return components * np.sign(largest), mean  # scikit-learn's rule of signs
