"""The arm's own decoder is read, never fitted, and scored as the ridge regression is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sslbench.data.cells import MeasuredGenes
from sslbench.errors import ConfigError, DivergedError
from sslbench.evaluation.base import Embedded, Evaluation
from sslbench.evaluation.decoder_reconstruction import DecoderReconstruction, Options
from sslbench.pretext.base import build_pretext
from sslbench.training import TrainingOptions, fit
from tests.factories import embedded_cells, random_encoder


def scored(cells: Embedded) -> Evaluation:
    task = DecoderReconstruction(Options())
    return task.fit(train=cells, val=cells, generator=np.random.default_rng(0))(cells)


def decoded_by(cells: Embedded, reconstruct) -> Embedded:
    assert cells.networks is not None
    return replace(cells, networks=replace(cells.networks, reconstruct=reconstruct))


def test_a_decoder_that_gives_the_expression_back_explains_all_of_it():
    found = scored(decoded_by(embedded_cells(), lambda minibatch: minibatch.x)).scores
    assert found["explained_variance"] == pytest.approx(1)
    assert found["explained_variance_uniform"] == pytest.approx(1)
    assert found["pearson"] == pytest.approx(1)
    assert found["mse"] == 0


def test_a_decoder_of_the_mean_cell_explains_nothing():
    cells = embedded_cells()
    assert cells.cells is not None
    mean = cells.cells.minibatch(np.arange(len(cells.z))).x.mean(dim=0)
    found = scored(decoded_by(cells, lambda minibatch: mean.expand_as(minibatch.x))).scores
    assert found["explained_variance"] == pytest.approx(0, abs=1e-6)
    assert found["pearson"] == 0


def test_genes_that_were_not_measured_are_not_scored():
    """A decoder that makes them up is neither punished nor praised for it."""
    cells = embedded_cells()
    assert cells.cells is not None
    n_genes = cells.cells.n_genes
    has = np.arange(n_genes) < n_genes - 10
    study = np.zeros(cells.cells.row_ids.max() + 1, dtype=np.int64)
    measured = MeasuredGenes(of_study=has[None], study=study)
    cells = replace(cells, cells=replace(cells.cells, measured=measured))
    made_up = torch.from_numpy(~has).float()
    found = scored(decoded_by(cells, lambda minibatch: minibatch.x + made_up)).scores
    assert found["explained_variance"] == pytest.approx(1)
    assert found["mse"] == 0


def test_training_a_masked_autoencoder_raises_what_its_decoder_explains():
    cells = embedded_cells()
    assert cells.cells is not None
    assert cells.networks is not None
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pretext = build_pretext(
            "masked",
            {"mask_rate": 0.3},
            encoder=random_encoder(60, name="mlp"),
            genes=cells.cells.genes,
            label_names=cells.label_names,
        )
    pretext.prepare(cells.cells)
    before = scored(decoded_by(cells, pretext.reconstruct)).scores["explained_variance"]
    options = TrainingOptions(
        max_updates=400, evaluate_every=400, minibatch_size=128, learning_rate=3e-3
    )
    fit(pretext, cells.cells, options, seed=0, device="cpu", on_report=lambda *_: True)
    after = scored(decoded_by(cells, pretext.reconstruct)).scores["explained_variance"]
    assert after > max(before, 0) + 0.2


def test_an_arm_without_a_decoder_is_refused_with_the_task_that_would_do():
    with pytest.raises(ConfigError, match="this arm has none") as refused:
        scored(decoded_by(embedded_cells(), None))
    assert refused.value.fix == "score it by reconstruction"


def test_a_reconstruction_that_is_not_finite_is_never_scored():
    with pytest.raises(DivergedError, match="reconstruction"):
        scored(decoded_by(embedded_cells(), lambda minibatch: minibatch.x / 0))
