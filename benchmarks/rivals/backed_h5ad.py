"""Rows of an .h5ad that stays on disk, read in ascending order, as HDF5 likes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import anndata
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import BatchSampler


def minibatches(path: Path, *, sampler: Iterable[int], size: int) -> Iterator[Tensor]:
    """Yield X (size, n_genes) of the rows of each minibatch, sorted, epoch after epoch."""
    x = anndata.read_h5ad(path, backed="r").X
    while True:
        for rows in BatchSampler(sampler, batch_size=size, drop_last=True):
            yield torch.from_numpy(x[np.sort(rows)].toarray())
