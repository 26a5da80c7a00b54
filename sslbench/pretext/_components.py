"""Principal components of training cells, written into a linear encoder."""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg import eigh
from sklearn.decomposition import PCA

from sslbench.data.cells import Cells
from sslbench.encoders.base import Encoder
from sslbench.errors import ConfigError
from sslbench.registry import ENCODERS

VALUES = 8_000_000  # of expression at once, in float64: 64 MB


def refuse_other_encoders(encoder: Encoder, *, task: str, names: tuple[str, ...]) -> None:
    """Raise ConfigError if `encoder` is none of the registered encoders `names`."""
    if not isinstance(encoder, tuple(ENCODERS.load(name) for name in names)):
        raise ConfigError(
            f"{task} needs {_WHAT[names]}, got {type(encoder).__name__}",
            code="C030",
            fix=" or ".join(f"encoder: {{name: {name}}}" for name in names),
        )


_WHAT = {
    ("linear",): "a linear encoder, which principal components are written into",
    ("scvi",): "the encoder scvi, which its weights are copied into",
    ("identity",): "the encoder identity, which is expression itself",
    ("identity", "linear"): "the encoder identity (genes) or linear (principal components)",
}


def most_components(train: Cells) -> int:
    """Return how many components the cells can have at most."""
    return min(len(train), train.n_genes)


def write_components(encoder: Encoder, train: Cells, *, n_components: int) -> None:
    """Fit on the expression of `train`, all of it; dimensions beyond `n_components` are 0 for every cell.

    Exact components, never a randomised solver: `encoder(x)` equals scikit-learn's transform. `encoder` is linear.
    """
    few = len(train) <= train.n_genes
    components, mean = (of_few_cells if few else of_many_cells)(train, n_components)
    weight = np.zeros((encoder.embedding_dim, train.n_genes))
    weight[:n_components] = components
    state = {"weight": torch.from_numpy(weight), "bias": torch.from_numpy(-weight @ mean)}
    encoder.get_submodule("projection").load_state_dict(state)


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
