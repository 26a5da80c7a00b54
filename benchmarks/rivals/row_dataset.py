"""The Dataset that everybody writes first: one row at a time, collated by a DataLoader in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from scipy.sparse import csr_matrix
from torch import Tensor
from torch.utils.data import DataLoader, Dataset


class RowDataset(Dataset[Tensor]):
    """Rows of a sparse matrix, each made dense when it is asked for."""

    def __init__(self, x: csr_matrix) -> None:
        self.x = x

    def __len__(self) -> int:
        return self.x.shape[0]

    def __getitem__(self, row: int) -> Tensor:
        return torch.from_numpy(self.x[row].toarray()[0])


def minibatches(x: csr_matrix, *, sampler: Iterable[int], size: int) -> Iterator[Tensor]:
    """Yield rows (size, n_genes) of `x` as `sampler` orders them, epoch after epoch."""
    loader = DataLoader(
        RowDataset(x), batch_size=size, sampler=sampler, drop_last=True, num_workers=0
    )
    while True:
        yield from loader
