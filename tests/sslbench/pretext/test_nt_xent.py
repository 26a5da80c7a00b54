import math

import pytest
import torch
from torch.nn.functional import cosine_similarity, cross_entropy

from sslbench.pretext._nt_xent import nt_xent

N_CELLS, N_DIMENSIONS = 7, 5


def two_views(seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (N_CELLS, N_DIMENSIONS)
    first = torch.randn(shape, generator=generator, dtype=torch.float64)
    return first, first + 0.5 * torch.randn(shape, generator=generator, dtype=torch.float64)


def slow_nt_xent(first, second, temperature):
    """Equation 1 of the paper: views 2k - 1 and 2k are of the same cell."""
    views = [view for pair in zip(first, second) for view in pair]

    def similarity(i, j):
        u, v = views[i], views[j]
        return float(u @ v / (u.norm() * v.norm()))

    def of_pair(i, j):
        others = [k for k in range(len(views)) if k != i]
        total = sum(math.exp(similarity(i, k) / temperature) for k in others)
        return -math.log(math.exp(similarity(i, j) / temperature) / total)

    n_cells = len(first)
    pairs = [of_pair(2 * k, 2 * k + 1) + of_pair(2 * k + 1, 2 * k) for k in range(n_cells)]
    return sum(pairs) / (2 * n_cells)


@pytest.mark.parametrize("temperature", [0.05, 0.5, 1.0])
def test_it_is_equation_one_of_the_paper(temperature):
    first, second = two_views()
    value = nt_xent(first, second, temperature=temperature)
    assert value.item() == pytest.approx(slow_nt_xent(first, second, temperature), rel=1e-12)


def test_it_is_the_cross_entropy_of_four_blocks_of_similarities():
    """Written the other way: rows of one view at a time, the view itself cut out and not masked."""
    first, second, losses = *two_views(), []
    for view, other in ((first, second), (second, first)):
        across = cosine_similarity(view.unsqueeze(1), other.unsqueeze(0), dim=2) / 0.3
        within = cosine_similarity(view.unsqueeze(1), view.unsqueeze(0), dim=2) / 0.3
        kept = ~torch.eye(N_CELLS, dtype=torch.bool)
        logits = torch.cat([across, within[kept].reshape(N_CELLS, N_CELLS - 1)], dim=1)
        losses.append(cross_entropy(logits, torch.arange(N_CELLS)))
    torch.testing.assert_close(nt_xent(first, second, temperature=0.3), sum(losses) / 2)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_identical_views_of_orthogonal_cells(temperature):
    views = 3 * torch.eye(6, dtype=torch.float64)
    value = nt_xent(views, views, temperature=temperature).item()
    assert value == pytest.approx(math.log(1 + 10 * math.exp(-1 / temperature)), rel=1e-12)


def test_orthogonal_views_of_orthogonal_cells_are_at_chance():
    views = torch.eye(12, dtype=torch.float64)
    assert nt_xent(views[:6], views[6:], temperature=0.1).item() == pytest.approx(math.log(11))


def test_a_collapsed_projection_is_at_chance():
    views = torch.ones(6, 4, dtype=torch.float64)
    assert nt_xent(views, views, temperature=0.1).item() == pytest.approx(math.log(11))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_it_lies_within_the_bounds_it_states(seed, temperature):
    value = nt_xent(*two_views(seed), temperature=temperature).item()
    others = 2 * N_CELLS - 2
    assert math.log(1 + others * math.exp(-2 / temperature)) <= value
    assert value <= math.log(1 + others * math.exp(2 / temperature))


def test_the_lower_bound_is_reached_by_two_cells_that_are_opposite():
    views = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    expected = math.log(1 + 2 * math.exp(-2 / 0.5))
    assert nt_xent(views, views, temperature=0.5).item() == pytest.approx(expected, rel=1e-12)


def test_one_cell_alone_gives_zero():
    first, second = two_views()
    assert nt_xent(first[:1], second[:1], temperature=0.1).item() == 0


def test_it_is_symmetric_and_knows_no_order_and_no_length():
    first, second = two_views()
    value = nt_xent(first, second, temperature=0.2)
    torch.testing.assert_close(nt_xent(second, first, temperature=0.2), value)
    order = torch.randperm(N_CELLS, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(nt_xent(first[order], second[order], temperature=0.2), value)
    length = torch.arange(1.0, N_CELLS + 1).unsqueeze(1)
    torch.testing.assert_close(nt_xent(length * first, second / length, temperature=0.2), value)


def test_pairing_cells_wrongly_costs():
    first, second = two_views()
    wrong = nt_xent(first, second.roll(1, dims=0), temperature=0.2)
    assert wrong > nt_xent(first, second, temperature=0.2)


def test_a_low_temperature_neither_overflows_nor_loses_the_gradient():
    first, second = (view.float().requires_grad_() for view in two_views())
    value = nt_xent(first, second, temperature=0.01)
    value.backward()
    assert value.isfinite()
    assert first.grad.isfinite().all()
    assert second.grad.isfinite().all()
