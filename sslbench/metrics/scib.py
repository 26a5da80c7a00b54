"""The whole of scIB, by the package scib-metrics: an optional extra, imported here and nowhere else."""

from __future__ import annotations

import logging
from importlib.util import find_spec

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from sslbench.errors import SetupError
from sslbench.metrics.integration import N_LINKED, with_totals
from sslbench.metrics.lisi import N_NEIGHBOURS

N_KBET_NEIGHBOURS = 50  # the three numbers of neighbours are those of scib-metrics' own benchmark
N_COMPONENTS = 50  # of the unintegrated expression that PCR compares with


def refuse_missing_package() -> None:
    """Raise SetupError S060 if scib-metrics is not installed, without importing it."""
    if find_spec("scib_metrics") is None:
        raise SetupError(
            "the evaluation task 'scib' needs the package scib-metrics, which is not installed",
            code="S060",
            fix="pip install 'sslbench[integration]', or score by {name: integration}",
        )


def scib_scores(
    z: np.ndarray, *, labels: np.ndarray, batches: np.ndarray, expression: csr_matrix
) -> dict[str, float]:
    """Return `total`, `bio` and `batch` as scib-metrics weighs them, then every component; higher is better.

    `z` is (n_cells, embedding_dim), `labels` and `batches` are codes (n_cells,), `expression` (n_cells, n_genes)
    is normalised and not integrated. In [0, 1], but for the adjusted Rand index, which may fall below 0.
    Neighbours are exact, where the package's own benchmark takes approximate ones. kBET is NaN where no label
    has ten cells of more than one batch.

    Source: Luecken et al. 2022, doi 10.1038/s41592-021-01336-8.
    """
    import scib_metrics as scib

    logging.getLogger("scib_metrics").setLevel(logging.WARNING)  # else it prints what it skips
    z = np.ascontiguousarray(z, dtype=np.float32)
    near = _neighbours(z, n_counted=min(N_NEIGHBOURS, len(z)))
    few, some = (
        near.subset_neighbors(min(n, near.n_neighbors)) for n in (N_LINKED + 1, N_KBET_NEIGHBOURS)
    )
    clusters = scib.nmi_ari_cluster_labels_kmeans(z, labels)
    bio = {
        "isolated_labels": scib.isolated_labels(z, labels, batches),
        "kmeans_nmi": clusters["nmi"],
        "kmeans_ari": clusters["ari"],
        "silhouette_label": scib.silhouette_label(z, labels),
        "clisi": scib.clisi_knn(near, labels),
    }
    batch = {
        "bras": scib.bras(z, labels, batches),
        "ilisi": scib.ilisi_knn(near, batches),
        "kbet": scib.kbet_per_label(some, batches, labels),
        "graph_connectivity": scib.graph_connectivity(few, labels),
        "pcr_comparison": scib.pcr_comparison(
            unintegrated(expression), z, batches, categorical=True
        ),
    }
    found = with_totals(bio=bio, batch=batch)
    return {name: float(value) for name, value in found.items()}


def unintegrated(expression: csr_matrix) -> np.ndarray:
    """Return principal components (n_cells, n_components) float32 of expression (n_cells, n_genes)."""
    n_components = min(N_COMPONENTS, min(expression.shape) - 1)
    components = PCA(n_components, svd_solver="arpack", random_state=0).fit_transform(expression)
    return np.asarray(components, dtype=np.float32)


def _neighbours(z: np.ndarray, *, n_counted: int):  # type: ignore[no-untyped-def]  # a class of the extra
    """Return the exact nearest cells of each cell, itself first, as scib-metrics keeps them."""
    from scib_metrics.nearest_neighbors import NeighborsResults

    search = NearestNeighbors(n_neighbors=n_counted, algorithm="brute").fit(z)
    distance, index = search.kneighbors(z)
    return NeighborsResults(indices=index, distances=distance)
