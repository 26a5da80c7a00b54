"""The whole of scIB is what scib-metrics' own benchmark prints, given the same neighbours."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from anndata import AnnData
from scipy.sparse import csr_matrix
from sklearn.neighbors import NearestNeighbors

from sslbench.errors import SetupError
from sslbench.metrics import scib as module
from sslbench.metrics.scib import refuse_missing_package, scib_scores, unintegrated

REASON = "needs scib-metrics: pip install 'sslbench[integration]'"
AS_PUBLISHED = {
    "total": "Total",
    "bio": "Bio conservation",
    "batch": "Batch correction",
    "isolated_labels": "Isolated labels",
    "kmeans_nmi": "KMeans NMI",
    "kmeans_ari": "KMeans ARI",
    "silhouette_label": "Silhouette label",
    "clisi": "cLISI",
    "bras": "BRAS",
    "ilisi": "iLISI",
    "kbet": "KBET",
    "graph_connectivity": "Graph connectivity",
    "pcr_comparison": "PCR comparison",
}


@pytest.fixture(autouse=True)
def kept_threads() -> Iterator[None]:
    """Other tests of this process go on with the number of threads that they had."""
    n_threads = torch.get_num_threads()
    yield
    torch.set_num_threads(n_threads)


def cells(n_cells: int = 240) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Embedding, labels, batches, and an expression in which batches lie further apart than in z."""
    random = np.random.default_rng(0)
    label, batch = random.integers(0, 3, n_cells), random.integers(0, 2, n_cells)
    centres, shifts = 2 * random.normal(size=(3, 8)), random.normal(size=(2, 8))
    z = centres[label] + 0.2 * shifts[batch] + random.normal(size=(n_cells, 8))
    x = (z + shifts[batch]) @ random.normal(size=(8, 70)) + random.normal(size=(n_cells, 70))
    return z.astype(np.float32), label, batch, x.clip(min=0).astype(np.float32)


def test_it_equals_the_benchmark_of_scib_metrics():
    pytest.importorskip("scib_metrics", reason=REASON)
    from scib_metrics.benchmark import Benchmarker
    from scib_metrics.nearest_neighbors import NeighborsResults

    def exact(z: np.ndarray, n_neighbours: int) -> NeighborsResults:
        distance, index = NearestNeighbors(n_neighbors=n_neighbours).fit(z).kneighbors(z)
        return NeighborsResults(indices=index, distances=distance)

    z, label, batch, x = cells()
    adata = AnnData(x, obsm={"z": z}, obs={"label": label.astype(str), "batch": batch.astype(str)})
    theirs = Benchmarker(adata, "batch", "label", ["z"], progress_bar=False)
    theirs.prepare(neighbor_computer=exact)
    theirs.benchmark()
    published = theirs.get_results().loc["z"]
    ours = scib_scores(z, labels=label, batches=batch, expression=csr_matrix(x))
    assert list(ours) == list(AS_PUBLISHED)
    assert set(AS_PUBLISHED.values()) == set(published.index)
    assert ours == pytest.approx(
        {k: float(published[v]) for k, v in AS_PUBLISHED.items()}, abs=1e-6
    )


def test_the_unintegrated_expression_is_its_principal_components():
    x = cells()[3]
    found = unintegrated(csr_matrix(x))
    u, s, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    assert found.shape == (240, 50)
    np.testing.assert_allclose(np.abs(found), np.abs(u * s)[:, :50], atol=1e-2)


def test_a_missing_package_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(SetupError, match="scib-metrics") as refused:
        refuse_missing_package()
    assert refused.value.code == "S060"
    assert "pip install 'sslbench[integration]'" in (refused.value.fix or "")
