"""The cheap scores of scIB against slow loops, against scib-metrics where it is installed, and on planted cells."""

import numpy as np
import pytest
from scipy.spatial.distance import cosine

from sslbench.metrics.integration import (
    bras,
    graph_connectivity,
    integration_scores,
    isolated_labels,
    kmeans_clusters,
    silhouette_widths,
    with_totals,
)
from sslbench.metrics.lisi import Neighbourhood, neighbourhood

N_LABELS, N_BATCHES = 4, 3


def cells(
    seed: int, *, n_cells: int = 300, of_label: float = 1.0, of_batch: float = 0.5
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Labels and batches that move cells by so many standard deviations; label 0 is in one batch only."""
    random = np.random.default_rng(seed)
    label = random.integers(0, N_LABELS, n_cells)
    batch = np.where(label == 0, 0, random.integers(0, N_BATCHES, n_cells))
    centres = of_label * random.normal(size=(N_LABELS, 10))
    shifts = of_batch * random.normal(size=(N_BATCHES, 10))
    z = centres[label] + shifts[batch] + random.normal(size=(n_cells, 10))
    return z, {"labels": label, "batches": batch}


def slow_bras(z: np.ndarray, *, labels: np.ndarray, batches: np.ndarray) -> float:
    of_label = []
    for label in sorted(set(labels.tolist())):
        own = [c for c in range(len(z)) if labels[c] == label]
        if not 1 < len({batches[c] for c in own}) < len(own):
            continue
        score = []
        for c in own:
            within = [cosine(z[c], z[o]) for o in own if batches[o] == batches[c] and o != c]
            between = [cosine(z[c], z[o]) for o in own if batches[o] != batches[c]]
            a, b = np.mean(within) if within else np.nan, np.mean(between)
            score.append(1 - abs((b - a) / max(a, b)) if within else 1.0)
        of_label.append(np.mean(score))
    return float(np.mean(of_label))


def slow_width(z: np.ndarray, labels: np.ndarray, c: int) -> float:
    mean = {
        label: np.mean(
            [np.linalg.norm(z[c] - z[o]) for o in range(len(z)) if labels[o] == label and o != c]
        )
        for label in set(labels.tolist())
    }
    own = mean.pop(labels[c])
    return (min(mean.values()) - own) / max(min(mean.values()), own)


def reachable(links: dict[int, set[int]], start: int) -> set[int]:
    seen, todo = {start}, [start]
    while todo:
        new = links[todo.pop()] - seen
        seen |= new
        todo += new
    return seen


def slow_connectivity(z: np.ndarray, labels: np.ndarray) -> float:
    parts = []
    for label in set(labels.tolist()):
        own = {c for c in range(len(z)) if labels[c] == label}
        near = {c: set(np.argsort(((z - z[c]) ** 2).sum(1))[1:15].tolist()) & own for c in own}
        reach = {c: reachable(near, c) for c in own}
        parts.append(max(sum(c in reach[o] for o in reach[c]) for c in own) / len(own))
    return float(np.mean(parts))


def test_bras_equals_a_loop():
    z, of = cells(0, n_cells=80)
    assert bras(z, **of) == pytest.approx(slow_bras(z, **of), abs=1e-12)


def test_silhouette_widths_equal_a_loop():
    z, of = cells(1, n_cells=60)
    slow = [(slow_width(z, of["labels"], c) + 1) / 2 for c in range(60)]
    np.testing.assert_allclose(silhouette_widths(z, labels=of["labels"]), slow, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_graph_connectivity_equals_a_loop(seed):
    z, of = cells(seed, n_cells=90, of_label=0.3)
    found = graph_connectivity(neighbourhood(z), labels=of["labels"])
    assert found == pytest.approx(slow_connectivity(z, of["labels"]))
    assert found < 1


def test_isolated_labels_are_those_of_the_fewest_batches():
    widths = np.array([0.1, 0.3, 0.5, 0.7, 0.9, 0.9])
    labels = np.array(["a", "a", "b", "b", "c", "c"])
    batches = np.array([0, 0, 1, 1, 0, 1])
    found = isolated_labels(widths, labels=labels, batches=batches)
    assert found == pytest.approx((0.2 + 0.6) / 2)


def test_a_label_in_two_halves_is_half_connected():
    near = Neighbourhood(index=np.array([[1], [0], [3], [2]]), weight=np.ones((4, 1)))
    assert graph_connectivity(near, labels=np.zeros(4)) == 0.5


def test_the_total_weighs_bio_six_and_batch_four():
    found = with_totals(bio={"a": 1.0, "b": 0.5}, batch={"c": 0.25})
    assert list(found) == ["total", "bio", "batch", "a", "b", "c"]
    assert found["total"] == pytest.approx(0.6 * 0.75 + 0.4 * 0.25)


def test_batches_that_move_no_cell_score_higher_than_batches_that_lie_apart():
    mixed, apart = (
        integration_scores(z, **of) for z, of in (cells(2, of_batch=b) for b in (0.0, 3.0))
    )
    for name in ("batch", "bras", "ilisi"):
        assert mixed[name] > apart[name] + 0.2, name
    assert apart["ilisi"] < 0.05
    assert mixed["bras"] > 0.9


def test_separate_labels_score_one_by_clusters_and_labels_that_say_nothing_score_nothing():
    z, of = cells(3, of_label=10.0)
    clear = integration_scores(z, **of)
    assert clear["kmeans_nmi"] == clear["kmeans_ari"] == pytest.approx(1)
    assert clear["clisi"] > 0.95
    shuffled = np.random.default_rng(0).permutation(of["labels"])
    noise = integration_scores(z, labels=shuffled, batches=of["batches"])
    assert noise["kmeans_nmi"] < 0.1
    assert abs(noise["kmeans_ari"]) < 0.05
    assert noise["silhouette_label"] == pytest.approx(0.5, abs=0.1)
    assert noise["bio"] < clear["bio"] - 0.3


def test_names_in_place_of_codes_change_nothing():
    z, of = cells(4)
    named = {key: np.array([f"n{code}" for code in codes]) for key, codes in of.items()}
    assert integration_scores(z, **named) == pytest.approx(integration_scores(z, **of), abs=1e-12)


def test_a_shift_of_all_cells_changes_nothing_but_bras_which_looks_at_angles():
    z, of = cells(5)
    here, moved = integration_scores(z, **of), integration_scores(z + 100, **of)
    changed = {name for name in here if abs(here[name] - moved[name]) > 1e-6}
    assert changed == {"bras", "batch", "total"}


def test_cells_that_are_all_the_same_are_scored_without_a_warning_of_numpy():
    z, of = cells(6)
    with np.errstate(all="raise"):
        found = bras(np.full_like(z, 0.37), **of)
        widths = silhouette_widths(np.full_like(z, 0.37), labels=of["labels"])
    assert found == 1
    np.testing.assert_array_equal(widths, 0.5)


def test_clusters_are_the_same_each_time():
    z, _ = cells(7, of_label=0.5)
    first, again = (kmeans_clusters(z, n_clusters=4) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_labels_that_no_two_batches_share_are_refused():
    z, of = cells(8)
    with pytest.raises(ValueError, match="two batches"):
        bras(z, labels=of["labels"], batches=of["labels"])


# The clusters of k-means depend on where it starts: compared where labels lie apart.
@pytest.mark.parametrize("of_label, of_batch", [(1.0, 0.5), (0.5, 1.0), (5.0, 0.0)])
def test_scib_metrics_gives_the_same_up_to_the_rounding_of_float32(of_label, of_batch):
    scib = pytest.importorskip(
        "scib_metrics", reason="compared with scib-metrics: pip install 'sslbench[integration]'"
    )
    from scib_metrics.nearest_neighbors import NeighborsResults
    from sklearn.neighbors import NearestNeighbors

    z, of = cells(9, of_label=of_label, of_batch=of_batch)
    labels, batches = of["labels"], of["batches"]
    distance, index = NearestNeighbors(n_neighbors=90).fit(z).kneighbors(z)
    near = NeighborsResults(indices=index, distances=distance)
    ours = integration_scores(z, **of)
    theirs = {
        "isolated_labels": scib.isolated_labels(z, labels, batches),
        "silhouette_label": scib.silhouette_label(z, labels),
        "clisi": scib.clisi_knn(near, labels),
        "bras": scib.bras(z, labels, batches),
        "ilisi": scib.ilisi_knn(near, batches),
        "graph_connectivity": scib.graph_connectivity(near.subset_neighbors(15), labels),
    }
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, abs=1e-6)
    if of_label == 5.0:
        clusters = scib.nmi_ari_cluster_labels_kmeans(z, labels)
        assert ours["kmeans_nmi"] == pytest.approx(clusters["nmi"], abs=1e-6)
        assert ours["kmeans_ari"] == pytest.approx(clusters["ari"], abs=1e-6)
