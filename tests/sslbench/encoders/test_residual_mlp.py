import torch
from torch import nn

from sslbench.encoders.residual_mlp import Options, ResidualMLP


def test_a_block_whose_last_layer_is_zero_is_the_identity():
    encoder = ResidualMLP(Options(width=8, depth=1, dropout=0), n_genes=5).eval()
    block = encoder.network[1]
    nn.init.zeros_(block.branch[3].weight)
    nn.init.zeros_(block.branch[3].bias)
    h = torch.randn(4, 8)
    assert torch.equal(block(h), h)


def test_a_block_adds_its_branch_to_its_input():
    encoder = ResidualMLP(Options(width=8, depth=1, expansion=3), n_genes=5).eval()
    block = encoder.network[1]
    norm, widen, activation, narrow, _ = block.branch
    h = torch.randn(4, 8)
    torch.testing.assert_close(block(h), h + narrow(activation(widen(norm(h)))))
    assert widen.out_features == 24


def test_gradient_reaches_the_first_layer_through_many_blocks():
    torch.manual_seed(0)
    encoder = ResidualMLP(Options(width=16, depth=24, dropout=0), n_genes=10)
    encoder(torch.randn(8, 10)).square().mean().backward()
    assert encoder.network[0].weight.grad.norm() > 1e-2
