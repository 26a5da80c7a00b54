import torch

from sslbench.encoders.linear import Linear, Options


def test_linear_is_weight_times_expression_plus_bias():
    encoder = Linear(Options(embedding_dim=3), n_genes=5)
    x = torch.rand(4, 5)
    by_hand = torch.zeros(4, 3)
    for c in range(4):
        for d in range(3):
            weight, bias = encoder.projection.weight[d], encoder.projection.bias[d]
            by_hand[c, d] = sum(x[c, g] * weight[g] for g in range(5)) + bias
    torch.testing.assert_close(encoder(x), by_hand)
