"""Votes of neighbours against scikit-learn, against a slow loop, and on ties."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from sslbench import neighbours
from sslbench.neighbours import neighbour_votes


def blobs(
    seed: int, n_cells: int, n_labels: int = 6, dim: int = 16
) -> tuple[np.ndarray, np.ndarray]:
    centres = np.random.default_rng(99).normal(size=(n_labels, dim))
    random = np.random.default_rng(seed)
    label = random.integers(0, n_labels, n_cells)
    return centres[label] + 1.2 * random.normal(size=(n_cells, dim)), label


def nearest_labels(
    query: np.ndarray, *, reference: np.ndarray, label: np.ndarray, k: int
) -> np.ndarray:
    votes = neighbour_votes(query, reference=reference, label=label, n_labels=6, k=k)
    np.testing.assert_allclose(votes.share.sum(axis=1), 1)
    return votes.winner


def slow_labels(
    query: np.ndarray, *, reference: np.ndarray, label: np.ndarray, k: int
) -> np.ndarray:
    predicted = []
    for point in query:
        nearest = sorted(range(len(reference)), key=lambda r: ((reference[r] - point) ** 2).sum())
        votes: dict[int, int] = {}
        for r in nearest[:k]:
            votes[label[r]] = votes.get(label[r], 0) + 1
        most = max(votes.values())
        predicted.append(next(label[r] for r in nearest if votes.get(label[r]) == most))
    return np.array(predicted)


def test_one_neighbour_equals_scikit_learn():
    reference, label = blobs(0, 300)
    query, _ = blobs(1, 200)
    expected = KNeighborsClassifier(1).fit(reference, label).predict(query)
    np.testing.assert_array_equal(
        nearest_labels(query, reference=reference, label=label, k=1), expected
    )


def test_five_neighbours_equal_scikit_learn_wherever_the_vote_is_not_tied():
    reference, label = blobs(0, 300)
    query, _ = blobs(1, 200)
    model = KNeighborsClassifier(5).fit(reference, label)
    share = np.sort(model.predict_proba(query), axis=1)
    untied = share[:, -1] > share[:, -2]
    predicted = nearest_labels(query, reference=reference, label=label, k=5)
    assert untied.sum() > 100
    np.testing.assert_array_equal(predicted[untied], model.predict(query)[untied])


@pytest.mark.parametrize("k", [1, 2, 4, 5, 31])
def test_votes_and_their_ties_equal_a_loop_over_cells(k):
    reference, label = blobs(2, 120)
    query, _ = blobs(3, 60)
    np.testing.assert_array_equal(
        nearest_labels(query, reference=reference, label=label, k=k),
        slow_labels(query, reference=reference, label=label, k=k),
    )


def test_a_tied_vote_goes_to_the_label_of_the_nearest_cell():
    reference, label = np.array([[1.0], [2.0], [2.5], [4.0]]), np.array([1, 0, 0, 1])
    assert nearest_labels(np.array([[0.0]]), reference=reference, label=label, k=4) == [1]
    assert nearest_labels(np.array([[5.0]]), reference=reference, label=label, k=2) == [1]
    assert nearest_labels(np.array([[2.4]]), reference=reference, label=label, k=4) == [0]


def test_cells_as_near_as_the_kth_vote_too_so_their_order_decides_nothing():
    reference, label = np.zeros((9, 3)), np.array([2, 2, 2, 2, 0, 0, 0, 1, 1])
    for order in (slice(None), slice(None, None, -1)):
        predicted = nearest_labels(
            np.zeros((2, 3)), reference=reference[order], label=label[order], k=3
        )
        assert predicted.tolist() == [2, 2]


def test_k_beyond_the_reference_lets_everyone_vote():
    reference, label = np.array([[0.0], [5.0], [6.0]]), np.array([0, 1, 1])
    assert nearest_labels(np.array([[0.0]]), reference=reference, label=label, k=50) == [1]


def test_no_neighbour_is_dropped_even_at_distance_zero():
    reference, label = blobs(4, 50)
    np.testing.assert_array_equal(
        nearest_labels(reference, reference=reference, label=label, k=1), label
    )


def test_the_block_size_changes_no_prediction(monkeypatch):
    reference, label = blobs(5, 100)
    query, _ = blobs(6, 57)
    whole = nearest_labels(query, reference=reference, label=label, k=5)
    monkeypatch.setattr(neighbours, "BLOCK_ENTRIES", 700)
    np.testing.assert_array_equal(
        nearest_labels(query, reference=reference, label=label, k=5), whole
    )


def test_an_embedding_far_from_the_origin_is_compared_exactly():
    reference, label = blobs(7, 80)
    query, _ = blobs(8, 40)
    np.testing.assert_array_equal(
        nearest_labels(query + 1e4, reference=reference + 1e4, label=label, k=5),
        nearest_labels(query, reference=reference, label=label, k=5),
    )


def test_shares_of_votes_are_the_probabilities_of_scikit_learn():
    reference, label = blobs(0, 300)
    query, _ = blobs(1, 200)
    found = neighbour_votes(query, reference=reference, label=label, n_labels=7, k=5)
    expected = KNeighborsClassifier(5).fit(reference, label).predict_proba(query)
    np.testing.assert_allclose(found.share[:, :6], expected)
    assert (found.share[:, 6] == 0).all()  # no reference cell has it
