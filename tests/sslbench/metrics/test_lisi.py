"""The local inverse Simpson index against a slow loop from its definition, and in closed form."""

import math

import numpy as np
import pytest

from sslbench.metrics.lisi import (
    Neighbourhood,
    clisi,
    gaussian_weights,
    ilisi,
    inverse_simpson,
    neighbourhood,
)


def slow_weights(distances: list[float], perplexity: float) -> list[float]:
    """Find b by plain bisection to full precision: entropy of exp(-b d) falls as b grows."""
    low, high = 0.0, 1e6
    for _ in range(200):
        b = (low + high) / 2
        weights = [math.exp(-b * (d - min(distances))) for d in distances]
        share = [w / sum(weights) for w in weights]
        entropy = -sum(s * math.log(s) for s in share if s > 0)
        low, high = (b, high) if entropy > math.log(perplexity) else (low, b)
    return share


def slow_lisi(z: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Korsunsky et al. 2019: inverse of the chance that two weighted neighbours are of one group."""
    found = []
    for cell in range(len(z)):
        distance = [float(np.linalg.norm(z[cell] - other)) for other in z]
        near = sorted((c for c in range(len(z)) if c != cell), key=lambda c: distance[c])
        near = near[: min(90, len(z)) - 1]
        share = slow_weights([distance[c] for c in near], perplexity=min(90, len(z)) // 3)
        of_group: dict[int, float] = {}
        for neighbour, s in zip(near, share, strict=True):
            of_group[groups[neighbour]] = of_group.get(groups[neighbour], 0.0) + s
        found.append(1 / sum(s**2 for s in of_group.values()))
    return np.array(found)


def cells(seed: int, n_cells: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    group = random.integers(0, 3, n_cells)
    return random.normal(size=(3, 5))[group] + random.normal(size=(n_cells, 5)), group


@pytest.mark.parametrize("n_cells", [40, 150])
def test_it_equals_a_loop_up_to_the_published_tolerance_of_the_entropy(n_cells):
    z, group = cells(0, n_cells)
    found = inverse_simpson(neighbourhood(z), group)
    np.testing.assert_allclose(found, slow_lisi(z, group), atol=1e-4)
    assert (found >= 1).all()
    assert (found <= 3).all()


def test_a_cell_is_no_neighbour_of_itself():
    near = neighbourhood(cells(1, 120)[0])
    assert near.index.shape == (120, 89)
    assert not (near.index == np.arange(120)[:, None]).any()
    np.testing.assert_allclose(near.weight.sum(axis=1), 1)


def test_equal_distances_weigh_the_same():
    np.testing.assert_allclose(gaussian_weights(np.full((2, 8), 3.0), perplexity=3), 1 / 8)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_scale_of_distances_changes_no_weight(scale):
    distance = np.sort(np.random.default_rng(0).random((5, 30)) + 0.5, axis=1)
    expected = gaussian_weights(distance, perplexity=10)
    np.testing.assert_allclose(
        gaussian_weights(scale * distance, perplexity=10), expected, atol=1e-4
    )


def test_the_effective_number_of_equally_near_groups_is_their_number():
    near = Neighbourhood(index=np.array([[0, 1, 2, 3]] * 4), weight=np.full((4, 4), 0.25))
    groups = np.array(["a", "b", "a", "b"])
    np.testing.assert_allclose(inverse_simpson(near, groups), 2)
    assert ilisi(near, batches=groups) == pytest.approx(1)
    assert clisi(near, labels=groups) == pytest.approx(0)


def test_neighbours_of_one_group_give_the_other_end():
    near = Neighbourhood(index=np.array([[0, 2]] * 4), weight=np.full((4, 2), 0.5))
    groups = np.array([0, 1, 0, 1])
    assert ilisi(near, batches=groups) == pytest.approx(0)
    assert clisi(near, labels=groups) == pytest.approx(1)
