"""Counts that lie on the training device as a whole, packed: a minibatch is gathered and made dense there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sslbench.data.cells import CellBatch, Cells

SHARE_OF_FREE_MEMORY = 0.5  # of the device; the rest is for weights, moments and minibatches


@dataclass(frozen=True, kw_only=True)
class ResidentCells:
    """Some cells of a store of which every row is on the device: 4 bytes a non-zero where counts are uint16.

    Nothing that makes a minibatch waits for the device, and all have one shape whatever their cells hold.
    """

    cells: Cells
    indptr: Tensor  # (n_rows + 1,) int64
    gene: Tensor  # (n_non_zeros,) int16 (the bits of uint16) or int32
    value: Tensor  # (n_non_zeros,) int16 (the bits of uint16) or float32
    longest: int  # non-zeros of the richest of these cells

    def minibatch(self, index: np.ndarray, *, device: str) -> CellBatch:
        """Return the cells at positions `index` (n,) as one dense minibatch on the device."""
        rows = _moved(self.cells.row_ids[index], device)
        counts = self._dense(rows)
        label, measured = self.cells.label, self.cells.measured_at(index)
        return CellBatch(
            raw=counts,
            library_size=counts.sum(dim=1),
            row_ids=rows,
            label=None if label is None else _moved(label[index], device),
            measured=None if measured is None else _moved(measured.numpy(), device),
        )

    def _dense(self, rows: Tensor) -> Tensor:
        """Return counts (n, n_genes) float32: as many places for every cell as the richest one fills."""
        starts, n_genes = self.indptr[rows].unsqueeze(1), self.cells.n_genes
        offset = torch.arange(self.longest, device=rows.device)
        filled = offset < self.indptr[rows + 1].unsqueeze(1) - starts  # (n, longest)
        place = (starts + offset).where(filled, 0)
        # What is not filled goes to a column behind the last gene.
        gene = _unsigned(self.gene[place]).long().where(filled, n_genes)
        value = _unsigned(self.value[place]).float()
        dense = torch.zeros(len(rows), n_genes + 1, device=rows.device)
        return dense.scatter_(1, gene, value)[:, :n_genes].contiguous()


def resident(cells: Cells, *, device: str) -> ResidentCells | None:
    """Return the cells with their whole store on a GPU, or None if it has not the room or is none."""
    if torch.device(device).type != "cuda":
        return None
    counts = cells.counts
    n_bytes = counts.indptr.nbytes + counts.indices.nbytes + counts.values.nbytes
    free, _ = torch.cuda.mem_get_info(device)
    # What an earlier trial of this process has freed is kept for it, and looks used from outside.
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return on_device(cells, device=device) if n_bytes <= SHARE_OF_FREE_MEMORY * free else None


def on_device(cells: Cells, *, device: str) -> ResidentCells:
    """Return the cells with their whole store on `device`."""
    counts = cells.counts
    lengths = counts.indptr[cells.row_ids + 1] - counts.indptr[cells.row_ids]
    return ResidentCells(
        cells=cells,
        indptr=_bits(counts.indptr).to(device),
        gene=_bits(counts.indices).to(device),
        value=_bits(counts.values).to(device),
        longest=int(lengths.max(initial=0)),
    )


def _bits(array: np.ndarray) -> Tensor:
    """Return a copy as a tensor; torch indexes no uint16, so these keep their bits as int16."""
    copy = np.array(array)
    return torch.from_numpy(copy.view(np.int16) if copy.dtype == np.uint16 else copy)


def _unsigned(values: Tensor) -> Tensor:
    """Return int16 values as the uint16 that their bits mean; others as they are."""
    return values.int() & 0xFFFF if values.dtype == torch.int16 else values


def _moved(array: np.ndarray, device: str) -> Tensor:
    """Return an array on the device, without waiting for what the device is doing."""
    tensor = torch.from_numpy(array)
    if torch.device(device).type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)
