"""Cells whose types can be told apart within each donor and by nothing that donors share: only a split by donor sees it."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import torch

from sslbench.config import TrialConfig
from sslbench.data.catalogue import DatasetSpec, spec_of_file
from sslbench.data.store import prepare_store
from sslbench.trial import run_trial

pytestmark = pytest.mark.slow
N_DONORS, N_TYPES, N_CELLS, N_GENES = 100, 4, 20, 80  # cells of each type of each donor
# Of one draw, 20 test donors of four types each are guessed right by luck as often as not: sd 0.04.
DRAWS = range(4)


def trap(folder: Path, *, draw: int) -> DatasetSpec:
    """Counts of a signature drawn anew for every type of every donor: what is learnt of one says nothing of others."""
    random = np.random.default_rng(draw)
    signatures = random.normal(0.0, 1.5, size=(N_DONORS * N_TYPES, N_GENES))
    rates = np.exp(np.repeat(signatures, N_CELLS, axis=0))
    counts = random.poisson(400 * rates / rates.sum(axis=1, keepdims=True))
    donor, cell_type = np.divmod(np.arange(N_DONORS * N_TYPES).repeat(N_CELLS), N_TYPES)
    adata = anndata.AnnData(counts.astype(np.float32))
    adata.obs["cell_type"] = pd.Categorical([f"type {t}" for t in cell_type])
    adata.obs["donor"] = pd.Categorical([f"d{d}" for d in donor])
    adata.var_names = [f"GEN{i}A" for i in range(N_GENES)]
    file = folder / "trap.h5ad"
    adata.write_h5ad(file)
    return spec_of_file(file, label_key="cell_type", donor_key="donor", batch_key=None)


def score(spec: DatasetSpec, folder: Path) -> float:
    """Macro F1 of the nearest neighbours of test cells among training cells, on principal components."""
    folder.mkdir(parents=True)
    config = TrialConfig.model_validate(
        {
            "dataset": {"name": "trap"},
            "pretext": {"name": "pca"},
            "encoder": {"name": "linear", "embedding_dim": 50},
            "evaluation": [{"name": "knn"}],
        }
    )
    torch.set_num_threads(1)
    store = prepare_store(spec, n_top_genes=None, root=folder)
    result = run_trial(
        config, store=store, workdir=folder, report=lambda point: None, score_test=True
    )
    return result.scores["test/knn/macro_f1"]


def test_a_split_by_donor_is_not_fooled_by_what_a_split_by_cell_takes_for_skill(
    tmp_path: Path,
) -> None:
    by_cell, by_donor = [], []
    for draw in DRAWS:
        spec = trap(tmp_path, draw=draw)
        by_donor.append(score(spec, tmp_path / f"by_donor_{draw}"))
        cells = spec.model_copy(update={"donor_key": None})
        by_cell.append(score(cells, tmp_path / f"by_cell_{draw}"))
    assert min(by_cell) > 0.9
    assert np.mean(by_donor) <= 1 / N_TYPES + 0.02, by_donor
