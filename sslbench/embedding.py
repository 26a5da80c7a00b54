"""From a stranger's AnnData to an embedding: find the counts, align the genes by name, embed block by block."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
from scipy.sparse import csr_matrix

from sslbench.data.alignment import aligned
from sslbench.data.anndata_slots import AnnDataSlots
from sslbench.data.catalogue import Slot
from sslbench.data.cells import CountsMatrix, normalise
from sslbench.data.counts import check_block, choose_slot
from sslbench.data.h5ad import reporting
from sslbench.encoders.base import Encoder, embed_expression
from sslbench.gene_alignment import align_genes, refuse_low_coverage

if TYPE_CHECKING:
    from anndata import AnnData

WARN_BELOW = 0.8

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How much of what a model expects was there."""

    n_model_genes: int
    n_genes_found: int
    n_cells: int
    n_cells_without_counts: int  # none of the model's genes counted: their embedding says nothing
    counts_slot: str
    counts_reason: str

    @property
    def fraction(self) -> float:
        """The fraction of the model's genes that was found, in [0, 1]."""
        return self.n_genes_found / self.n_model_genes

    def __str__(self) -> str:
        return (
            f"{self.n_genes_found:,} of the model's {self.n_model_genes:,} genes found "
            f"({self.fraction:.0%}); counts from {self.counts_slot} ({self.counts_reason})"
        )

    def as_uns(self) -> dict[str, str | int]:
        """Return the facts in types that .h5ad can hold."""
        return {
            "n_model_genes": self.n_model_genes,
            "n_genes_found": self.n_genes_found,
            "n_cells_without_counts": self.n_cells_without_counts,
            "counts_slot": self.counts_slot,
        }


@dataclass(frozen=True, kw_only=True)
class PulledEncoder:
    """An encoder away from home, with the genes it reads and what is known of it."""

    encoder: Encoder  # in eval mode
    genes: tuple[str, ...]  # (n_genes,) in the order of its inputs
    label_names: tuple[str, ...]  # cell types of the data set it was trained on
    scores: Mapping[str, float]  # by split/task/metric
    about: Mapping[str, str | int]  # pretext, encoder, dataset, fingerprints
    device: str = "cpu"

    def embed(self, adata: AnnData, counts: str | None = None) -> np.ndarray:
        """Return z (n_cells, embedding_dim) float32 in the order of obs_names; `adata` is not changed.

        `counts` names the slot of the raw counts ("layers/counts", "raw" or "X"); otherwise it is looked for.
        """
        z, _ = embed_anndata(self, adata, counts=counts)
        return z


@dataclass(frozen=True, kw_only=True)
class EmbeddedCells:
    """The cells of an AnnData as a model sees them, in the order of obs_names."""

    z: np.ndarray  # (n_cells, embedding_dim) float32
    has_counts: (
        np.ndarray
    )  # (n_cells,) bool: whether any gene of the model was counted; if not, z says nothing
    coverage: Coverage


def embed_anndata(
    pulled: PulledEncoder, adata: AnnData, *, counts: str | None = None
) -> tuple[np.ndarray, Coverage]:
    """Return z (n_cells, embedding_dim) float32 in the order of obs_names, and what was found.

    Raises what `embedded_cells` raises.
    """
    cells = embedded_cells(pulled, adata, counts=counts)
    return cells.z, cells.coverage


def embedded_cells(
    pulled: PulledEncoder, adata: AnnData, *, counts: str | None = None
) -> EmbeddedCells:
    """Embed every cell of `adata`, which is not changed.

    Genes are aligned by name; those that the cells lack count as 0. Every non-zero of the slot is checked to
    be a count. Memory is that of one block of rows beside z, for sparse, dense and backed objects alike.

    Raises
    ------
    DataError
        If no slot holds counts, a gene of the model is there twice (D131), or fewer than half of the
        model's genes are found (D130).
    """
    slots = AnnDataSlots(adata)
    chosen = choose_slot(slots, cast("Slot | None", counts))
    column = align_genes(pulled.genes, slots.var_names(chosen.slot))
    refuse_low_coverage(pulled.genes, column, slots.var(chosen.slot))
    z = np.empty((adata.n_obs, pulled.encoder.embedding_dim), np.float32)
    has_counts = np.zeros(adata.n_obs, dtype=bool)
    blocks = slots.blocks(chosen.slot)
    for start, rows in reporting(blocks, what="embedded", n_cells=adata.n_obs):
        check_block(slots, chosen.slot, first_row=start, rows=rows)
        counts_of_model = aligned(rows, column)
        these = slice(start, start + rows.shape[0])
        has_counts[these] = np.diff(counts_of_model.indptr) > 0
        z[these] = _embedded(pulled, counts_of_model)
    coverage = Coverage(
        n_model_genes=len(pulled.genes),
        n_genes_found=int(np.count_nonzero(column >= 0)),
        n_cells=adata.n_obs,
        n_cells_without_counts=int(np.count_nonzero(~has_counts)),
        counts_slot=chosen.slot,
        counts_reason=chosen.reason,
    )
    _warn(coverage)
    return EmbeddedCells(z=z, has_counts=has_counts, coverage=coverage)


def _embedded(pulled: PulledEncoder, counts: csr_matrix) -> np.ndarray:
    packed = CountsMatrix.from_scipy(counts).packed(np.arange(counts.shape[0])).to(pulled.device)
    x = normalise(packed, packed.sum_of_cells())
    z = embed_expression(pulled.encoder, x if pulled.device == "cpu" else x.dense())
    return z.cpu().numpy()


def _warn(coverage: Coverage) -> None:
    if coverage.fraction < WARN_BELOW:
        _log.warning("%s", coverage)
    if coverage.n_cells_without_counts:
        _log.warning(
            "%d of %d cells have no counts in the model's genes; their embedding says nothing",
            coverage.n_cells_without_counts,
            coverage.n_cells,
        )
