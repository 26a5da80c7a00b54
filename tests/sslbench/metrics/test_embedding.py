"""The shape of an embedding against loops written from the papers, and against what can be worked out by hand."""

import math

import numpy as np
import pytest

from sslbench.metrics.embedding import alignment, mean_deviation, rankme, uniformity

RNG = np.random.default_rng(0)


def cells(n_cells=40, dim=6, *, seed=0):
    return np.random.default_rng(seed).normal(size=(n_cells, dim)) * np.arange(1, dim + 1) + 2


def balanced(dim, n_repeats=3):
    """Cells at ± each unit vector: centred, with one singular value for all dimensions."""
    corners = np.concatenate([np.eye(dim), -np.eye(dim)])
    return np.tile(corners, (n_repeats, 1))


def unit(vector):
    length = math.sqrt(sum(float(v) ** 2 for v in vector))
    return [float(v) / length if length else 0.0 for v in vector]


def squared_distance(u, v):
    return sum((a - b) ** 2 for a, b in zip(u, v))


# Effective rank


def test_rankme_is_the_exponential_of_the_entropy_of_singular_values():
    z = cells()
    centred = z - z.mean(axis=0)
    eigenvalues = np.linalg.eigvalsh(centred.T @ centred)  # squares of the singular values
    singular = [math.sqrt(v) for v in eigenvalues]
    total, entropy = sum(singular), 0.0
    for value in singular:
        entropy -= value / total * math.log(value / total)
    assert rankme(z) == pytest.approx(math.exp(entropy), rel=1e-9)


@pytest.mark.parametrize("dim", [1, 2, 5, 32])
def test_orthogonal_directions_of_equal_spread_have_their_number_as_rank(dim):
    assert rankme(balanced(dim)) == pytest.approx(dim, rel=1e-9)


def test_cells_on_a_line_have_rank_one():
    z = np.outer(RNG.normal(size=50), RNG.normal(size=8)) + RNG.normal(size=8)
    assert rankme(z) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.37, -1e6])
def test_cells_that_are_all_the_same_have_rank_one_and_no_deviation(value):
    z = np.full((30, 8), value, dtype=np.float32)
    assert rankme(z) == 1.0
    assert mean_deviation(z) == 0.0


def test_what_float32_rounds_away_is_no_direction():
    z = np.full((64, 8), 1000.0, dtype=np.float32)
    z += np.float32(3e-5) * RNG.normal(size=z.shape).astype(np.float32)
    assert rankme(z) == 1.0


def test_rank_lies_between_one_and_the_smaller_side():
    assert 1 <= rankme(cells(n_cells=40, dim=6)) <= 6
    assert 1 <= rankme(cells(n_cells=5, dim=20)) <= 4


@pytest.mark.parametrize("change", [lambda z: 7 * z, lambda z: z - 100, lambda z: z[::-1]])
def test_rank_does_not_depend_on_scale_place_or_order(change):
    z = cells()
    assert rankme(change(z)) == pytest.approx(rankme(z), rel=1e-9)


def test_rank_does_not_depend_on_the_axes():
    z = cells()
    rotation, _ = np.linalg.qr(RNG.normal(size=(6, 6)))
    assert rankme(z @ rotation) == pytest.approx(rankme(z), rel=1e-9)


# Deviation


def test_mean_deviation_is_the_mean_over_dimensions_of_a_loops_standard_deviation():
    z = cells(n_cells=12, dim=3)
    deviations = []
    for d in range(3):
        mean = sum(z[:, d]) / 12
        deviations.append(math.sqrt(sum((value - mean) ** 2 for value in z[:, d]) / 12))
    assert mean_deviation(z) == pytest.approx(sum(deviations) / 3, rel=1e-12)


def test_mean_deviation_grows_with_the_scale_and_not_with_the_place():
    z = cells()
    assert mean_deviation(3 * z + 5) == pytest.approx(3 * mean_deviation(z), rel=1e-9)


# Alignment and uniformity


def test_alignment_is_a_loops_mean_squared_distance_of_unit_vectors():
    first, second = cells(seed=1), cells(seed=2)
    by_hand = [squared_distance(unit(u), unit(v)) for u, v in zip(first, second)]
    assert alignment(first, second) == pytest.approx(sum(by_hand) / len(by_hand), rel=1e-12)


def test_identical_views_are_aligned_and_opposite_ones_are_farthest():
    z = cells()
    assert alignment(z, 5 * z) == pytest.approx(0.0, abs=1e-12)
    assert alignment(z, -z) == pytest.approx(4.0)


def test_a_zero_vector_stays_at_the_origin():
    z = np.array([[0.0, 0.0], [3.0, 4.0]])
    assert alignment(z, z[::-1].copy()) == pytest.approx(1.0)
    assert uniformity(z) == pytest.approx(-2.0)
    assert uniformity(np.zeros((4, 3))) == 0.0


def test_views_of_different_cells_are_refused():
    with pytest.raises(ValueError, match=r"same shape, got \(40, 6\) and \(39, 6\)"):
        alignment(cells(), cells()[1:])


def test_uniformity_is_the_logarithm_of_a_loops_mean_over_pairs():
    z = cells(n_cells=15)
    potentials = [
        math.exp(-2 * squared_distance(unit(z[i]), unit(z[j])))
        for i in range(15)
        for j in range(15)
        if i != j
    ]
    assert uniformity(z) == pytest.approx(math.log(sum(potentials) / len(potentials)), rel=1e-9)


def test_cells_that_point_the_same_way_have_uniformity_zero():
    assert uniformity(np.outer(np.arange(1, 9), np.arange(1, 5))) == pytest.approx(0.0, abs=1e-12)


def test_two_opposite_cells_have_the_lowest_uniformity():
    assert uniformity(np.array([[1.0, 2.0], [-1.0, -2.0]])) == pytest.approx(-8.0)


def test_a_sphere_is_more_uniform_than_a_cap_of_it():
    sphere = np.random.default_rng(3).normal(size=(200, 5))
    assert uniformity(sphere) < uniformity(sphere + np.array([4, 0, 0, 0, 0])) < 0


# All of them


@pytest.mark.parametrize("measure", [rankme, mean_deviation, uniformity])
@pytest.mark.parametrize("shape", [(1, 4), (0, 4), (5,)])
def test_fewer_than_two_cells_are_refused(measure, shape):
    with pytest.raises(ValueError, match="at least two cells"):
        measure(np.ones(shape))


@pytest.mark.parametrize("measure", [rankme, mean_deviation, uniformity])
def test_the_embedding_is_left_as_it_was(measure):
    z = cells().astype(np.float32)
    before = z.copy()
    measure(z)
    np.testing.assert_array_equal(z, before)
