import numpy as np
import pytest
import torch
from scipy import stats

from sslbench.data.cells import CellBatch
from sslbench.pretext.heads.negative_binomial import (
    NegativeBinomial,
    Options,
    negative_binomial_log_likelihood,
)
from sslbench.pretext.heads.poisson import poisson_log_likelihood

COUNTS = torch.tensor([[0.0, 1.0, 2.0, 7.0, 100.0, 3000.0]], dtype=torch.float64)


def scipy_log_likelihood(counts, mu, theta):
    return stats.nbinom.logpmf(counts, theta, theta / (theta + mu))


@pytest.mark.parametrize("log_theta", [-6.0, -1.0, 0.0, 3.0, 9.0])
@pytest.mark.parametrize("log_mu", [-15.0, -1.0, 0.0, 2.0, 8.0])
def test_log_likelihood_matches_scipy(log_mu, log_theta):
    ours = negative_binomial_log_likelihood(
        COUNTS,
        torch.full_like(COUNTS, log_mu),
        log_theta=torch.full((6,), log_theta, dtype=torch.float64),
    )
    theirs = scipy_log_likelihood(COUNTS.numpy(), np.exp(log_mu), np.exp(log_theta))
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("log_theta", [-9.0, 0.0, 9.0])
@pytest.mark.parametrize("log_mu", [-15.0, 0.0, 9.0])
def test_float32_is_finite_and_close_to_scipy_at_the_bounds(log_mu, log_theta):
    log_mu_of = torch.full((1, 6), log_mu, requires_grad=True)
    log_theta_of = torch.full((6,), log_theta, requires_grad=True)
    ours = negative_binomial_log_likelihood(COUNTS.float(), log_mu_of, log_theta=log_theta_of)
    ours.sum().backward()
    assert log_mu_of.grad.isfinite().all()
    assert log_theta_of.grad.isfinite().all()
    theirs = scipy_log_likelihood(COUNTS.numpy(), np.exp(log_mu), np.exp(log_theta))
    np.testing.assert_allclose(ours.detach().numpy(), theirs, rtol=1e-4, atol=2e-3)


def test_gradients_match_finite_differences():
    torch.manual_seed(0)
    counts = torch.tensor([[0.0, 3.0, 1.0], [5.0, 0.0, 0.0]], dtype=torch.float64)
    log_mu = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    log_theta = torch.randn(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda mu, theta: negative_binomial_log_likelihood(counts, mu, log_theta=theta),
        (log_mu, log_theta),
    )


def test_large_theta_approaches_the_poisson_distribution():
    counts, log_mu = COUNTS[:, :4], torch.zeros(1, 4, dtype=torch.float64)
    ours = negative_binomial_log_likelihood(
        counts, log_mu, log_theta=torch.full((4,), 9.0, dtype=torch.float64)
    )
    torch.testing.assert_close(ours, poisson_log_likelihood(counts, log_mu), atol=5e-3, rtol=0)


def test_probabilities_of_all_counts_add_up_to_one():
    counts = torch.arange(2000, dtype=torch.float64).unsqueeze(0)
    ours = negative_binomial_log_likelihood(
        counts, torch.full_like(counts, 1.0), log_theta=torch.zeros(2000, dtype=torch.float64)
    )
    assert ours.exp().sum().item() == pytest.approx(1, abs=1e-9)


def test_loss_is_the_mean_negative_log_likelihood_of_scored_counts():
    torch.manual_seed(0)
    counts = torch.poisson(torch.rand(6, 5) * 4)
    size = counts.sum(dim=1)
    minibatch = CellBatch(raw=counts, library_size=size, row_ids=torch.arange(6), label=None)
    head, decoded = NegativeBinomial(Options(), n_inputs=3, n_genes=5), torch.randn(6, 3)
    with torch.no_grad():
        head.log_theta.copy_(torch.linspace(-1, 2, 5))
        mu = (head.output(decoded).softmax(dim=1) * size.unsqueeze(1)).numpy()
    scored = torch.rand(6, 5) < 0.6
    theta = np.exp(np.linspace(-1, 2, 5))
    by_hand = [
        -scipy_log_likelihood(counts[c, g].item(), mu[c, g], theta[g])
        for c in range(6)
        for g in range(5)
        if scored[c, g]
    ]
    np.testing.assert_allclose(
        head.loss(decoded, minibatch, scored).item(), np.mean(by_hand), rtol=1e-5
    )


def test_dispersion_stays_within_its_bounds():
    head = NegativeBinomial(Options(), n_inputs=2, n_genes=3)
    with torch.no_grad():
        head.log_theta.copy_(torch.tensor([-1e4, 0.0, 1e4]))
    counts = torch.tensor([[3.0, 0.0, 5.0]])
    minibatch = CellBatch(
        raw=counts,
        library_size=counts.sum(dim=1),
        row_ids=torch.arange(1),
        label=None,
    )
    loss = head.loss(torch.randn(1, 2), minibatch, torch.ones(1, 3, dtype=torch.bool))
    assert loss.isfinite()
