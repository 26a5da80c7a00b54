import pytest
import torch

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


def test_means_of_a_cell_add_up_to_its_library_size():
    library_size = torch.tensor([1.0, 40.0, 12345.0])
    mean = log_mean(torch.randn(3, 50) * 5, library_size).exp()
    torch.testing.assert_close(mean.sum(dim=1), library_size)


def test_a_cell_without_counts_has_finite_means():
    assert log_mean(torch.randn(1, 5), torch.zeros(1)).isfinite().all()
