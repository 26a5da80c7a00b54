"""How much room does an embedding use, without looking at labels? Plain functions of arrays.

Every function takes embeddings `z` (n_cells, embedding_dim) of at least two cells and computes in float64.
They rank nothing: a large rank does not make an embedding good. A very small one makes it useless.
"""

from __future__ import annotations

import numpy as np

# A spread below this fraction of the largest value is what float32 rounds away, not a difference of cells.
ROUNDING = float(np.finfo(np.float32).eps)


def rankme(z: np.ndarray) -> float:
    """Return the effective rank of centred z: the exponential of the entropy of its normalised singular values.

    Source: Garrido et al., "RankMe: assessing the downstream performance of pretrained self-supervised
    representations by their rank", 2022, arXiv 2210.02885; here z is centred first, so that an embedding
    which is the same for all cells does not gain a dimension by its distance from the origin. In
    [1, min(n_cells - 1, embedding_dim)]; 1 where all cells are the same, to the rounding of float32.
    """
    singular = np.linalg.svd(_centred(z), compute_uv=False)
    if not singular.any():
        return 1.0
    share = singular / singular.sum()
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))


def mean_deviation(z: np.ndarray) -> float:
    """Return the standard deviation over cells, averaged over dimensions; 0 where all cells are the same.

    In [0, inf), in the units of z: it says how far apart cells lie, and is compared with itself over training.
    """
    return float(_centred(z).std(axis=0).mean())


def alignment(first: np.ndarray, second: np.ndarray) -> float:
    """Return the mean squared distance of positive pairs on the unit sphere, in [0, 4]; lower is closer.

    Row c of `first` and of `second`, both (n_cells, embedding_dim), are two views of cell c. A zero vector has
    no direction and stays at the origin.

    Source: Wang & Isola, "Understanding contrastive representation learning through alignment and uniformity
    on the hypersphere", 2020, arXiv 2005.10242, with exponent 2.
    """
    if first.shape != second.shape:
        raise ValueError(
            f"positive pairs need two views of the same shape, got {first.shape} and {second.shape}; "
            "embed the same cells twice"
        )
    return float(np.square(_unit(first) - _unit(second)).sum(axis=1).mean())


def uniformity(z: np.ndarray) -> float:
    """Return the logarithm of the mean of exp(-2 |u - v|²) over all pairs of cells on the unit sphere.

    In [-8, 0]; lower is more evenly spread, 0 where all cells point the same way. A zero vector has no
    direction and stays at the origin.

    Source: as of `alignment`, with t = 2.
    """
    _refuse_too_few(z)
    unit = _unit(z)
    cosine = unit @ unit.T
    length = np.diag(cosine)
    distance = length[:, None] + length - 2 * cosine  # (n_cells, n_cells), squared
    potential = np.exp(-2 * distance.clip(min=0))
    np.fill_diagonal(potential, 0.0)
    return float(np.log(potential.sum() / (len(z) * (len(z) - 1))))


def _centred(z: np.ndarray) -> np.ndarray:
    """Return z minus its mean cell; exactly 0 in a dimension that varies by rounding only."""
    _refuse_too_few(z)
    wide = z.astype(np.float64)
    centred = wide - wide.mean(axis=0)
    flat = np.abs(centred).max(axis=0) <= ROUNDING * np.abs(wide).max(axis=0)
    return np.where(flat, 0.0, centred)


def _unit(z: np.ndarray) -> np.ndarray:
    wide = z.astype(np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    return wide / np.where(length > 0, length, 1.0)


def _refuse_too_few(z: np.ndarray) -> None:
    if z.ndim != 2 or len(z) < 2:
        raise ValueError(
            f"z must be (n_cells, embedding_dim) of at least two cells, got {z.shape}; embed more cells"
        )
