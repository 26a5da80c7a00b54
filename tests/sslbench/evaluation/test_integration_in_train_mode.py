"""Batch normalisation in train mode mixes batches that the encoder keeps apart: the defect, measured."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from sslbench.data.cells import CountsMatrix
from sslbench.encoders.base import build_encoder, embed_cells
from sslbench.evaluation.base import Embedded, build_evaluation
from tests.factories import embedded_cells


def scores(task: str, cells: Embedded) -> dict[str, float]:
    fitted = build_evaluation(task, {}).fit(
        train=cells, val=cells, generator=np.random.default_rng(0)
    )
    return fitted(cells).scores


def shifted_by_batch(norm: str) -> Embedded:
    """Cells whose batches differ in many genes, embedded in eval mode by an untrained encoder."""
    given = embedded_cells()
    cells, networks = given.cells, given.networks
    assert cells is not None
    assert networks is not None
    generator = np.random.default_rng(0)
    rate = generator.gamma(2.0, 1.0, size=cells.counts.shape)
    rate[cells.row_ids[cells.batch == "b1"], ::2] *= 4.0
    counts = CountsMatrix.from_scipy(csr_matrix(generator.poisson(rate).astype(np.float32)))
    cells = replace(cells, counts=counts)
    torch.manual_seed(0)
    encoder = build_encoder("mlp", {"norm": norm, "dropout": 0.5}, n_genes=cells.n_genes)
    z = embed_cells(encoder, cells)
    return replace(given, z=z, cells=cells, networks=replace(networks, encoder=encoder))


def test_without_batch_normalisation_it_is_the_task_integration():
    cells = shifted_by_batch("layer")
    assert scores("integration_in_train_mode", cells) == pytest.approx(
        scores("integration", cells), abs=1e-6
    )


def test_with_it_batches_seem_mixed_that_the_encoder_keeps_apart():
    cells = shifted_by_batch("batch")
    honest, flattered = (
        scores(task, cells) for task in ("integration", "integration_in_train_mode")
    )
    assert flattered["batch"] > honest["batch"] + 0.1


def test_the_running_means_of_the_encoder_stay_as_they_are():
    cells = shifted_by_batch("batch")
    assert cells.networks is not None
    before = {k: v.clone() for k, v in cells.networks.encoder.state_dict().items()}
    scores("integration_in_train_mode", cells)
    torch.testing.assert_close(cells.networks.encoder.state_dict(), before, rtol=0, atol=0)
