"""From a stranger's cells to an embedding: find the counts, align the genes by name, embed block by block."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import nn

from sslbench.data.alignment import aligned
from sslbench.data.anndata_slots import AnnDataSlots
from sslbench.data.catalogue import Slot
from sslbench.data.cells import CellBatch, CountsMatrix
from sslbench.data.counts import CountSlots, check_block, choose_slot
from sslbench.data.progress import reporting
from sslbench.encoders.base import Encoder, embed_expression, refuse_too_many
from sslbench.gene_alignment import align_genes, refuse_low_coverage

if TYPE_CHECKING:
    import pandas as pd
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
        return embedded_cells(self, adata, counts=counts).z


@dataclass(frozen=True, kw_only=True)
class EmbeddedCells:
    """Someone's cells as a model sees them, in the order of obs_names."""

    z: np.ndarray  # (n_cells, embedding_dim) float32
    has_counts: (
        np.ndarray
    )  # (n_cells,) bool: whether any gene of the model was counted; if not, z says nothing
    coverage: Coverage


def embedded_cells(
    pulled: PulledEncoder, adata: AnnData, *, counts: str | None = None
) -> EmbeddedCells:
    """Embed every cell of `adata`, which is not changed; raises what `embedded_slots` raises."""
    return embedded_slots(pulled, AnnDataSlots(adata), counts=counts)


def embedded_slots(
    pulled: PulledEncoder, slots: CountSlots, *, counts: str | None = None
) -> EmbeddedCells:
    """Embed every cell of an opened file, or of an AnnData; neither is changed.

    Genes are aligned by name; those that the cells lack count as 0. Every non-zero of the slot is checked to
    be a count. Memory is that of one block of rows beside z, for sparse, dense and backed objects alike.

    Raises
    ------
    DataError
        If no slot holds counts, a gene of the model is there twice (D131), or fewer than half of the
        model's genes are found (D130).
    ConfigError
        C036 if the embedding would be larger than the encoder is meant for.
    """
    chosen = choose_slot(slots, cast("Slot | None", counts))
    column = align_genes(pulled.genes, slots.var_names(chosen.slot))
    refuse_low_coverage(pulled.genes, column, slots.var(chosen.slot))
    n_cells, _ = slots.shape(chosen.slot)
    refuse_too_many(pulled.encoder, n_cells=n_cells)
    z = np.empty((n_cells, pulled.encoder.embedding_dim), np.float32)
    has_counts = np.zeros(n_cells, dtype=bool)
    blocks = slots.blocks(chosen.slot)
    for start, rows in reporting(blocks, what="embedded", n_cells=n_cells):
        check_block(slots, chosen.slot, first_row=start, rows=rows)
        counts_of_model = aligned(rows, column)
        these = slice(start, start + rows.shape[0])
        has_counts[these] = np.diff(counts_of_model.indptr) > 0
        z[these] = _embedded(pulled, counts_of_model)
    coverage = Coverage(
        n_model_genes=len(pulled.genes),
        n_genes_found=int(np.count_nonzero(column >= 0)),
        n_cells=n_cells,
        n_cells_without_counts=int(np.count_nonzero(~has_counts)),
        counts_slot=chosen.slot,
        counts_reason=chosen.reason,
    )
    _warn(coverage)
    return EmbeddedCells(z=z, has_counts=has_counts, coverage=coverage)


def predicted_labels(
    pulled: PulledEncoder, cells: EmbeddedCells, *, classifier: nn.Module
) -> pd.DataFrame:
    """Return `sslbench_label` and `sslbench_prob` (n_cells, 2): the most probable cell type, and its softmax.

    Labels are categories, in the model's order; probabilities are float32 in [0, 1]. Cells without counts in
    the model's genes have neither.
    """
    import pandas as pd

    with torch.inference_mode():
        logits = classifier(torch.from_numpy(cells.z).to(pulled.device)).cpu()
    probability, code = torch.softmax(logits, dim=1).max(dim=1)
    label = np.where(cells.has_counts, code.numpy(), -1)
    names = pd.Index(pulled.label_names)
    columns = {
        "sslbench_label": pd.Categorical.from_codes(label, categories=names),
        "sslbench_prob": np.where(cells.has_counts, probability.numpy(), np.float32("nan")),
    }
    return pd.DataFrame(columns)


def _embedded(pulled: PulledEncoder, counts: csr_matrix) -> np.ndarray:
    packed = CountsMatrix.from_scipy(counts).packed(np.arange(counts.shape[0])).to(pulled.device)
    cells = CellBatch(
        raw=packed if pulled.device == "cpu" else packed.dense(),
        library_size=packed.sum_of_cells(),
        row_ids=torch.arange(counts.shape[0]),
        label=None,
    )
    return embed_expression(pulled.encoder, pulled.encoder.inputs(cells)).cpu().numpy()


def _warn(coverage: Coverage) -> None:
    if coverage.fraction < WARN_BELOW:
        _log.warning("%s", coverage)
    if coverage.n_cells_without_counts:
        _log.warning(
            "%d of %d cells have no counts in the model's genes; their embedding says nothing",
            coverage.n_cells_without_counts,
            coverage.n_cells,
        )
