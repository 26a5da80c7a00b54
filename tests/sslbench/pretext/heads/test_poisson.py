import numpy as np
import torch
from scipy import stats

from sslbench.data.cells import CellBatch
from sslbench.pretext.heads.poisson import Options, Poisson, poisson_log_likelihood


def test_log_likelihood_matches_scipy():
    counts = torch.tensor([0.0, 1.0, 2.0, 7.0, 100.0, 3000.0], dtype=torch.float64)
    for log_mu in (-20.0, -1.0, 0.0, 2.0, 8.0):
        ours = poisson_log_likelihood(counts, torch.full_like(counts, log_mu))
        theirs = stats.poisson.logpmf(counts.numpy(), np.exp(log_mu))
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-9, atol=1e-9)


def test_loss_is_the_mean_negative_log_likelihood_of_scored_counts():
    torch.manual_seed(0)
    counts = torch.poisson(torch.rand(6, 5) * 4)
    size = counts.sum(dim=1)
    minibatch = CellBatch(raw=counts, library_size=size, row_ids=torch.arange(6), label=None)
    head, decoded = Poisson(Options(), n_inputs=3, n_genes=5), torch.randn(6, 3)
    scored = torch.rand(6, 5) < 0.6
    with torch.no_grad():
        share = head.output(decoded).softmax(dim=1).numpy()
    by_hand = []
    for c in range(6):
        for g in range(5):
            if scored[c, g]:
                by_hand.append(
                    -stats.poisson.logpmf(counts[c, g].item(), share[c, g] * size[c].item())
                )
    np.testing.assert_allclose(
        head.loss(decoded, minibatch, scored).item(), np.mean(by_hand), rtol=1e-5
    )
