import pytest
import torch

from sslbench.data.cells import CellBatch
from sslbench.pretext.heads.mse import MeanSquaredError, Options


def minibatch_of(x):
    n_cells = len(x)
    ones = torch.ones(n_cells)
    return CellBatch(raw=x, view=x, library_size=ones, row_ids=ones.long(), label=None)


def test_mse_equals_a_loop_over_scored_cells_and_genes():
    torch.manual_seed(0)
    head = MeanSquaredError(Options(), n_inputs=4, n_genes=6)
    decoded, x, scored = torch.randn(5, 4), torch.rand(5, 6) * 9, torch.rand(5, 6) < 0.5
    predicted = head.output(decoded)
    total, n = 0.0, 0
    for c in range(5):
        for g in range(6):
            if scored[c, g]:
                total += (predicted[c, g] - x[c, g]).item() ** 2
                n += 1
    assert head.loss(decoded, minibatch_of(x), scored).item() == pytest.approx(total / n, rel=1e-5)


def test_perfect_prediction_has_no_loss_even_at_the_largest_expression():
    head = MeanSquaredError(Options(), n_inputs=3, n_genes=3)
    with torch.no_grad():
        head.output.weight.copy_(torch.eye(3))
        head.output.bias.zero_()
    x = torch.tensor([[0.0, 1.5, 9.21], [9.21, 0.0, 3.0]])
    assert head.loss(x, minibatch_of(x), torch.ones(2, 3, dtype=torch.bool)).item() == 0
