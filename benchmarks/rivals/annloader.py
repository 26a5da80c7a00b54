"""AnnLoader of anndata: the loader of its own tutorial, over an AnnData in memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator

from anndata import AnnData
from anndata.experimental import AnnLoader
from torch import Tensor


def minibatches(adata: AnnData, *, sampler: Iterable[int], size: int) -> Iterator[Tensor]:
    """Yield X (size, n_genes) of rows as `sampler` orders them, epoch after epoch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # anndata advises annbatch instead
        loader = AnnLoader(adata, batch_size=size, sampler=sampler, drop_last=True)
    while True:
        for batch in loader:
            yield batch.X
