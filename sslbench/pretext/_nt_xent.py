"""The contrastive loss of SimCLR, which hybrid tasks use too."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from sslbench.pretext._precision import in_float32


@in_float32
def nt_xent(first: Tensor, second: Tensor, *, temperature: float) -> Tensor:
    """Return the mean cross-entropy () of finding each view's other view; lower is better.

    `first` and `second` are (n_cells, n_dimensions). Each of the 2 n_cells views is compared by
    cosine / temperature with all others: one is of the same cell, 2 n_cells - 2 are of other cells. The
    value lies between log(1 + (2 n_cells - 2) e^(-2 / temperature)) and the same with e^(2 / temperature);
    one cell alone has nothing to be told from and gives 0.

    Source: Chen et al. 2020, arXiv 2002.05709, equation 1.
    """
    n_cells = len(first)
    z = normalize(torch.cat([first, second]), dim=1)  # (2 n_cells, n_dimensions)
    logits = z @ z.T / temperature
    itself = torch.eye(2 * n_cells, dtype=torch.bool, device=z.device)
    other_view = torch.arange(2 * n_cells, device=z.device).roll(n_cells)
    return cross_entropy(logits.masked_fill(itself, -torch.inf), other_view)
