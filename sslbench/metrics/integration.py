"""Do cells of one type lie together whatever batch they come from? The scores of scIB that are cheap, of arrays.

Source: Luecken et al., "Benchmarking atlas-level data integration in single-cell genomics", 2022, doi
10.1038/s41592-021-01336-8, in the definitions of scib-metrics 0.5. Without kBET and PCR, which cost more than a report
during training may. Every function takes an embedding `z` (n_cells, embedding_dim) float64 and codes or names
`labels` and `batches`, both (n_cells,), each of at least two kinds. Higher is better.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_samples

from sslbench.metrics.lisi import Neighbourhood, clisi, ilisi, neighbourhood

N_LINKED = 14  # other cells that a cell is linked to in the graph whose connectivity is scored
BIO_SHARE = 0.6  # of bio conservation in the total; the rest is batch correction
N_STARTS = 5  # of k-means, the best one counts: one alone depends on its seed
FLAT = 1e-12  # cosine distances below this are rounding


def integration_scores(
    z: np.ndarray, *, labels: np.ndarray, batches: np.ndarray
) -> dict[str, float]:
    """Return `total`, `bio`, `batch` and each component, in [0, 1]; the adjusted Rand index may fall below 0.

    Raises
    ------
    ValueError
        If no label has cells of two batches: then nothing says how batches mix.
    """
    near = neighbourhood(z)
    widths = silhouette_widths(z, labels=labels)
    clusters = kmeans_clusters(z, n_clusters=len(np.unique(labels)))
    bio = {
        "isolated_labels": isolated_labels(widths, labels=labels, batches=batches),
        "kmeans_nmi": float(normalized_mutual_info_score(labels, clusters)),
        "kmeans_ari": float(adjusted_rand_score(labels, clusters)),
        "silhouette_label": float(widths.mean()),
        "clisi": clisi(near, labels=labels),
    }
    batch = {
        "bras": bras(z, labels=labels, batches=batches),
        "ilisi": ilisi(near, batches=batches),
        "graph_connectivity": graph_connectivity(near, labels=labels),
    }
    return with_totals(bio=bio, batch=batch)


def with_totals(*, bio: Mapping[str, float], batch: Mapping[str, float]) -> dict[str, float]:
    """Return the weighted total, the two means it is made of, then the components."""
    of_bio, of_batch = (float(np.mean(list(scores.values()))) for scores in (bio, batch))
    total = BIO_SHARE * of_bio + (1 - BIO_SHARE) * of_batch
    return {"total": total, "bio": of_bio, "batch": of_batch, **bio, **batch}


def kmeans_clusters(z: np.ndarray, *, n_clusters: int) -> np.ndarray:
    """Return the cluster of each cell (n_cells,); the same for the same z in the same order."""
    centred = z - z.mean(axis=0)
    found = KMeans(n_clusters, n_init=N_STARTS, random_state=0).fit_predict(centred)
    return np.asarray(found)


def silhouette_widths(z: np.ndarray, *, labels: np.ndarray) -> np.ndarray:
    """Return each cell's silhouette width by label, (n_cells,), scaled from [-1, 1] to [0, 1].

    Euclidean; a cell that is alone with its label, or as far from its own label as from the next, has 0.5.
    """
    return np.asarray((silhouette_samples(z - z.mean(axis=0), labels) + 1) / 2)


def isolated_labels(widths: np.ndarray, *, labels: np.ndarray, batches: np.ndarray) -> float:
    """Return the mean silhouette of the labels that the fewest batches have, each label weighing the same.

    `widths` (n_cells,) are those of `silhouette_widths`. In [0, 1].
    """
    kinds = np.unique(labels)
    n_batches = np.array([len(np.unique(batches[labels == kind])) for kind in kinds])
    isolated = kinds[n_batches == n_batches.min()]
    return float(np.mean([widths[labels == kind].mean() for kind in isolated]))


def bras(z: np.ndarray, *, labels: np.ndarray, batches: np.ndarray) -> float:
    """Return the batch removal adapted silhouette: in [0, 1], 1 where batches of a label are not told apart.

    Within each label, 1 - |width| by batch, with cosine distances and the mean distance to all cells of other
    batches in place of that to the nearest batch; averaged over cells, then over labels. Labels of a single
    batch, and those whose cells are all of different batches, are left out.

    Source: Rautenstrauch & Ohler, "Shortcomings of silhouette in single-cell integration benchmarking", 2025,
    doi 10.1038/s41587-025-02743-4.
    """
    scores = []
    for kind in np.unique(labels):
        own = labels == kind
        _, batch, size = np.unique(batches[own], return_inverse=True, return_counts=True)
        if 1 < len(size) < len(batch):
            scores.append(1 - np.abs(_batch_widths(z[own], batch)).mean())
    if not scores:
        raise ValueError(
            "no label has cells of two batches; score labels that several batches share"
        )
    return float(np.mean(scores))


def graph_connectivity(near: Neighbourhood, *, labels: np.ndarray) -> float:
    """Return how much of each label is its largest strongly connected part, averaged over labels; in (0, 1].

    Cells are linked to their 14 nearest others, and only links within a label count.
    """
    linked = near.index[:, :N_LINKED]
    ends = np.arange(len(linked) + 1) * linked.shape[1]
    graph = csr_matrix((np.ones(linked.size), linked.ravel(), ends), shape=(len(linked),) * 2)
    parts = []
    for kind in np.unique(labels):
        own = np.flatnonzero(labels == kind)
        _, part = connected_components(graph[own][:, own], connection="strong")
        parts.append(np.bincount(part).max() / len(own))
    return float(np.mean(parts))


def _batch_widths(z: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """Return the modified silhouette widths (n_cells,) in [-1, 1] of cells of one label; codes from 0."""
    length = np.linalg.norm(z, axis=1, keepdims=True)
    unit = z / np.where(length > 0, length, 1.0)
    distance = np.clip(1 - unit @ unit.T, 0, 2)
    np.fill_diagonal(distance, 0.0)
    cells = np.arange(len(z))
    to_batch = distance @ np.eye(batch.max() + 1)[batch]  # (n_cells, n_batches), summed over cells
    size = np.bincount(batch)[batch]
    within = to_batch[cells, batch] / np.maximum(size - 1, 1)
    between = (to_batch.sum(axis=1) - to_batch[cells, batch]) / (len(z) - size)
    larger = np.maximum(within, between)
    told_apart = (size > 1) & (larger > FLAT)
    return np.where(told_apart, (between - within) / np.where(told_apart, larger, 1.0), 0.0)
