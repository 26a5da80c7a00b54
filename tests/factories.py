"""Small cells for everybody's tests: made in milliseconds, with known types, donors and programmes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from sslbench.data.catalogue import DatasetSpec, spec_of_file
from sslbench.data.cells import CellBatch, Cells, CountsMatrix, Modality
from sslbench.data.packed import PackedRows
from sslbench.data.store import prepare_store
from sslbench.data.synthetic import SyntheticDesign
from sslbench.data.synthetic import synthetic_adata as adata_of
from sslbench.encoders.base import Encoder, build_encoder, embed_cells
from sslbench.evaluation.base import Embedded, Networks

SMALL: dict[str, Any] = {"n_cells": 240, "n_genes": 60, "n_types": 3, "n_programmes": 6}


def synthetic_adata(**design: Any) -> anndata.AnnData:
    """Cells with `cell_type`, `donor`, `batch` in obs and raw counts in X; see SyntheticDesign."""
    return adata_of(SyntheticDesign(**(SMALL | design)))


def synthetic_spec(folder: Path, *, donor_key: str | None = "donor", **design: Any) -> DatasetSpec:
    """The description of synthetic cells written to `folder`/synthetic.h5ad."""
    path = folder / "synthetic.h5ad"
    synthetic_adata(**design).write_h5ad(path)
    return spec_of_file(path, label_key="cell_type", donor_key=donor_key, batch_key="batch")


def synthetic_store(folder: Path, *, n_top_genes: int | None = None, **design: Any) -> Path:
    """A cell store of synthetic cells, split by donor; open it with `open_cells(store, "train")`."""
    return prepare_store(synthetic_spec(folder, **design), n_top_genes=n_top_genes, root=folder)


def synthetic_cells(**design: Any) -> Cells:
    """All synthetic cells in memory, labelled, as code above the data room sees them."""
    adata = synthetic_adata(**design)
    names = tuple(sorted(set(adata.obs["cell_type"])))
    return Cells(
        counts=CountsMatrix.from_scipy(adata.X),
        row_ids=np.arange(adata.n_obs),
        genes=tuple(adata.var_names),
        label=np.array([names.index(label) for label in adata.obs["cell_type"]], dtype=np.int64),
        label_names=names,
        donor=adata.obs["donor"].to_numpy(dtype=str),
        batch=adata.obs["batch"].to_numpy(dtype=str),
    )


def packed_rows(x: Tensor) -> PackedRows:
    """The same values (n_cells, n_genes), of any floating type, with only the non-zeros listed."""
    rows = CountsMatrix.from_scipy(csr_matrix(x.numpy())).packed(np.arange(len(x)))
    return rows.with_values(x[x != 0])


def with_proteins(cells: Cells, *, seed: int = 0, n_features: int = 10) -> Cells:
    """The same cells with protein counts that follow one gene each; a twentieth of the cells was not measured."""
    random = np.random.default_rng(seed)
    log_counts = np.log1p(cells.counts.rows(np.arange(cells.counts.shape[0]))[:, :n_features])
    spread = np.maximum(log_counts.std(axis=0), 0.1)
    counts = random.poisson(20 * np.exp(0.8 * (log_counts - log_counts.mean(axis=0)) / spread))
    modality = Modality(
        kind="protein",
        features=tuple(f"CD{i}" for i in range(n_features)),
        counts=CountsMatrix.from_scipy(csr_matrix(counts)),
        measured=random.random(len(counts)) > 0.05,
    )
    return replace(cells, modality=modality)


def embedded_cells(*, alike: bool = False, **design: Any) -> Embedded:
    """Cells with all that an evaluation task may ask for, embedded by a linear encoder of random weights.

    Four overlapping types of which the first is rarer, two donors, two batches, a tenth without a label, proteins,
    logits, a projector's output and a decoder. `alike` gives every cell the counts of the first.
    """
    everyone = synthetic_cells(
        **{"n_cells": 640, "n_types": 4, "n_donors": 2, "type_effect": 0.5} | design
    )
    random = np.random.default_rng(1)
    assert everyone.label is not None
    cells = everyone.at(np.flatnonzero((everyone.label > 0) | (random.random(len(everyone)) < 0.5)))
    kind = cells.label
    assert kind is not None
    label = np.where(random.random(len(kind)) < 0.1, -1, kind)
    cells = with_proteins(replace(cells, label=label))
    if alike:
        first = np.repeat(cells.counts.rows(cells.row_ids[:1]), cells.counts.shape[0], axis=0)
        cells = replace(cells, counts=CountsMatrix.from_scipy(csr_matrix(first)))
    logits = np.eye(4)[kind] + random.normal(size=(len(kind), 4))
    return embedded_by(random_encoder(cells.n_genes), cells, logits=logits.astype(np.float32))


def random_encoder(n_genes: int, *, name: str = "linear") -> Encoder:
    """A small untrained encoder, always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_encoder(name, {"embedding_dim": 8}, n_genes=n_genes)


def embedded_by(encoder: Encoder, cells: Cells, *, logits: np.ndarray | None = None) -> Embedded:
    """The cells as an arm with this encoder shows them to evaluation tasks, with a projector and a linear decoder."""
    z = embed_cells(encoder, cells)
    assert cells.label is not None
    return Embedded(
        z=z,
        label=cells.label,
        label_names=cells.label_names,
        logits=logits,
        projected=z[:, :5] - z[:, 3:],
        cells=cells,
        networks=Networks(encoder=encoder, reconstruct=_linear_decoder(encoder, cells)),
    )


def _linear_decoder(encoder: Encoder, cells: Cells) -> Callable[[CellBatch], Tensor]:
    """Least squares from z, with an intercept, to expression."""
    everyone = cells.minibatch(np.arange(len(cells)))

    def inputs(minibatch: CellBatch) -> Tensor:
        with torch.inference_mode():
            z = encoder(minibatch.expression)
        return torch.cat([z, torch.ones(len(z), 1)], dim=1).double()

    weight = torch.linalg.pinv(inputs(everyone)) @ everyone.x.double()
    return lambda minibatch: (inputs(minibatch) @ weight).float()
