import pytest
import torch

from sslbench.data.cells import CellBatch
from sslbench.pretext.heads.base import log_mean, mean_over_scored


def test_mean_over_scored_is_the_mean_of_the_scored_entries():
    losses = torch.tensor([[1.0, 2.0], [3.0, 10.0]])
    scored = torch.tensor([[True, False], [True, True]])
    assert mean_over_scored(losses, scored).item() == pytest.approx((1 + 3 + 10) / 3)


def test_mean_over_scored_takes_weights():
    losses = torch.tensor([[1.0, 2.0, 5.0]])
    weights = torch.tensor([[0.5, 0.25, 0.0]])
    assert mean_over_scored(losses, weights).item() == pytest.approx((0.5 + 0.5) / 0.75)


def test_mean_over_scored_of_nothing_is_zero_with_zero_gradient():
    losses = torch.rand(3, 4, requires_grad=True)
    value = mean_over_scored(losses, torch.zeros(3, 4, dtype=torch.bool))
    value.backward()
    assert value.item() == 0
    assert losses.grad.abs().max() == 0


def some_cells(library_size, measured=None):
    n_cells = len(library_size)
    return CellBatch(
        raw=torch.zeros(n_cells, 1),
        library_size=library_size,
        row_ids=torch.arange(n_cells),
        label=None,
        measured=measured,
    )


def test_means_of_a_cell_add_up_to_its_library_size():
    library_size = torch.tensor([1.0, 40.0, 12345.0])
    mean = log_mean(torch.randn(3, 50) * 5, some_cells(library_size)).exp()
    torch.testing.assert_close(mean.sum(dim=1), library_size)


def test_a_cell_without_counts_has_finite_means():
    assert log_mean(torch.randn(1, 5), some_cells(torch.zeros(1))).isfinite().all()


def test_genes_that_were_not_measured_take_no_share_of_a_cell():
    measured = torch.tensor([[True] * 30 + [False] * 20, [True] * 50])
    cells = some_cells(torch.tensor([40.0, 40.0]), measured=measured)
    logits = (torch.randn(2, 50) * 5).requires_grad_()
    mean = log_mean(logits, cells).exp()
    torch.testing.assert_close(mean.sum(dim=1), cells.library_size)
    assert mean[0, 30:].max() == 0
    mean.sum().backward()
    assert logits.grad.isfinite().all()
