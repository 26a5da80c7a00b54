"""LARS against its formula written out number by number, and where the step can be worked out by hand."""

import math

import pytest
import torch
from torch import nn

from sslbench.lars import LARS, MOMENTUM, TRUST, trust_ratio

LR, DECAY = 0.7, 0.05


class SlowLARS:
    """The formula, with lists of numbers."""

    def __init__(self, shapes):
        self.velocity = [[0.0] * n for n in shapes]

    def step(self, weights, gradients, *, is_matrix):
        for i, (w, g) in enumerate(zip(weights, gradients)):
            direction = list(g)
            if is_matrix[i]:
                direction = [gj + DECAY * wj for gj, wj in zip(g, w)]
                size_w = math.sqrt(sum(x * x for x in w))
                size_d = math.sqrt(sum(x * x for x in direction))
                ratio = TRUST * size_w / size_d if size_w > 0 and size_d > 0 else 1.0
                direction = [ratio * d for d in direction]
            for j, d in enumerate(direction):
                self.velocity[i][j] = MOMENTUM * self.velocity[i][j] + d
                w[j] = w[j] - LR * self.velocity[i][j]


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.Linear(3, 2))


def test_several_steps_equal_the_formula_written_out():
    net = network().double()
    parameters = list(net.parameters())
    optimiser = LARS(parameters, lr=LR, weight_decay=DECAY)
    weights = [p.detach().flatten().tolist() for p in parameters]
    slow = SlowLARS([len(w) for w in weights])
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        optimiser.zero_grad()
        x = torch.randn(8, 4, generator=generator, dtype=torch.float64)
        net(x).square().mean().backward()
        gradients = [p.grad.flatten().tolist() for p in parameters]
        optimiser.step()
        slow.step(weights, gradients, is_matrix=[p.ndim > 1 for p in parameters])
    for p, expected in zip(parameters, weights):
        torch.testing.assert_close(p.detach().flatten(), torch.tensor(expected).double())


def stepped(weight, gradient, **options):
    parameter = nn.Parameter(torch.tensor(weight))
    parameter.grad = torch.tensor(gradient)
    LARS([parameter], **({"lr": 1.0} | options)).step()
    return parameter.detach()


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_first_step_of_a_matrix_has_the_size_of_its_weights_whatever_the_gradient(scale):
    weight, gradient = [[3.0, 0.0], [0.0, 4.0]], [[0.0, scale], [0.0, 0.0]]
    moved = stepped(weight, gradient, lr=2.0)
    torch.testing.assert_close(moved, torch.tensor([[3.0, -2.0 * TRUST * 5.0], [0.0, 4.0]]))


def test_biases_and_norms_are_neither_scaled_nor_decayed():
    moved = stepped([3.0, 4.0], [1.0, 0.0], weight_decay=0.5)
    assert moved.tolist() == [2.0, 4.0]


def test_decay_alone_shrinks_a_matrix_by_the_trust_coefficient():
    moved = stepped([[3.0], [4.0]], [[0.0], [0.0]], weight_decay=0.5)
    torch.testing.assert_close(moved, torch.tensor([[3.0], [4.0]]) * (1 - TRUST))


def test_the_trust_ratio_is_one_where_nothing_can_be_compared():
    zero, one = torch.zeros(2, 2), torch.ones(2, 2)
    assert trust_ratio(zero, one) == trust_ratio(one, zero) == trust_ratio(zero, zero) == 1
    assert trust_ratio(3 * one, one).item() == pytest.approx(3 * TRUST)


def test_momentum_goes_on_where_the_gradient_has_ended():
    parameter = nn.Parameter(torch.tensor([1.0]))
    optimiser = LARS([parameter], lr=1.0)
    parameter.grad = torch.tensor([1.0])
    optimiser.step()
    parameter.grad = torch.tensor([0.0])
    optimiser.step()
    assert parameter.item() == pytest.approx(1.0 - 1.0 - MOMENTUM)


def test_a_weight_without_a_gradient_stays():
    parameter = nn.Parameter(torch.ones(2, 2))
    LARS([parameter], lr=1.0, weight_decay=1.0).step()
    assert torch.equal(parameter.detach(), torch.ones(2, 2))


def test_a_closure_is_refused():
    with pytest.raises(ValueError, match="no closure"):
        LARS([nn.Parameter(torch.ones(1))], lr=1.0).step(lambda: 0.0)
