"""SimCLR in PyTorch Lightning with negative-binomial noise on both views, drawn entry by entry as published.

The noise is that of Richter et al. 2024, doi 10.1038/s42256-024-00934-3: a gamma and a Poisson draw an entry.
"""

from __future__ import annotations

import numpy as np
import torch
from anndata.experimental import AnnCollection
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from benchmarks.rivals.lightning_mae import Network, TrainedModule, plain_encoder

N_SUCCESSES, STRENGTH, TARGET_SUM = 10, 0.2, 10_000
PROJECTOR_WIDTH, PROJECTOR_DIM, TEMPERATURE = 256, 128, 0.2


def torch_noise(shape: tuple[int, int]) -> Tensor:
    """Return counts of NB(10, U) by torch's distribution."""
    rate = torch.rand(shape)
    return torch.distributions.NegativeBinomial(total_count=N_SUCCESSES, probs=rate).sample()


def numpy_noise(shape: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    """Return counts of NB(10, U) by NumPy's generator."""
    return generator.negative_binomial(N_SUCCESSES, generator.random(shape))


def noisy(x: Tensor) -> Tensor:
    """Return a view of x (n_cells, n_genes): noise counts, normalised like expression, are added to it."""
    counts = torch_noise(x.shape)
    return x + STRENGTH * torch.log1p(counts / counts.sum(dim=1, keepdim=True) * TARGET_SUM)


class Contrastive(TrainedModule):
    """Encoder, projector with batch normalisation, cross-entropy of finding the other view."""

    def __init__(self, n_genes: int, *, network: Network) -> None:
        super().__init__()
        self.network = nn.Sequential(
            plain_encoder(network, n_genes),
            nn.Linear(network.embedding_dim, PROJECTOR_WIDTH, bias=False),
            nn.BatchNorm1d(PROJECTOR_WIDTH),
            nn.ReLU(),
            nn.Linear(PROJECTOR_WIDTH, PROJECTOR_DIM),
        )

    def training_step(self, minibatch: AnnCollection, _: int) -> Tensor:
        x = minibatch.X
        projected = torch.cat([self.network(noisy(x)), self.network(noisy(x))])
        z = normalize(projected, dim=1)
        itself = torch.eye(len(z), dtype=torch.bool)
        logits = (z @ z.T / TEMPERATURE).masked_fill(itself, -torch.inf)
        loss = cross_entropy(logits, torch.arange(len(z)).roll(len(x)))
        self.log("train_loss", loss, on_step=True, on_epoch=True, batch_size=len(x))
        return loss
