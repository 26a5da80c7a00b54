"""The baseline scVI: its encoder is scVI's own, fitted on training cells alone. Skipped where scvi-tools is not installed."""

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from sslbench.data.as_anndata import as_anndata
from sslbench.encoders.base import build_encoder, embed_cells
from sslbench.errors import ConfigError, SetupError
from sslbench.pretext import _extras
from sslbench.pretext.scvi import Scvi, minibatch_size
from tests.sslbench.pretext.classifiers import fitted, two_donors

NEEDS_SCVI = pytest.mark.skipif(
    find_spec("scvi") is None, reason="needs scvi-tools: pip install 'sslbench[scvi]'"
)
QUICK = {"encoder": "scvi", "max_epochs": 2}


def unlabelled():
    train, other = two_donors()
    return train.without_labels(), other


@NEEDS_SCVI
@pytest.mark.parametrize("likelihood", ["zinb", "nb", "poisson"])
def test_unseen_cells_have_the_latent_representation_that_scvi_gives_them(likelihood, monkeypatch):
    models = []
    trained = Scvi._trained

    def keeping(self, train, *, max_epochs):
        from scvi.model import SCVI

        monkeypatch.setattr(SCVI, "train", keeping_model(SCVI.train, models))
        return trained(self, train, max_epochs=max_epochs)

    monkeypatch.setattr(Scvi, "_trained", keeping)
    train, other = unlabelled()
    encoder = fitted("scvi", train, gene_likelihood=likelihood, **QUICK).encoder
    adata = as_anndata(other)
    adata.obs["batch"] = (
        as_anndata(train).obs["batch"].iloc[0]
    )  # scVI asks for a batch that it knows, and does not use it
    theirs = models[0].get_latent_representation(adata)
    np.testing.assert_allclose(embed_cells(encoder, other), theirs, atol=1e-5)
    assert np.std(theirs, axis=0).min() > 1e-3


def keeping_model(train, models):
    def kept(self, **options):
        models.append(self)
        return train(self, **options)

    return kept


@NEEDS_SCVI
def test_neither_labels_nor_other_cells_change_what_is_learned():
    train, other = two_donors()
    first = fitted("scvi", train, **QUICK).state_dict()
    permuted = replace(train, label=np.roll(train.label, 7))
    second = fitted("scvi", permuted, **QUICK).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not set(train.row_ids) & set(other.row_ids)


@NEEDS_SCVI
def test_the_seed_of_the_trial_alone_decides_and_global_streams_are_kept():
    train, _ = unlabelled()
    weights = []
    for poison, seed in ((1, 0), (2, 0), (3, 1)):
        torch.manual_seed(poison)
        np.random.seed(poison)  # noqa: NPY002  # what scvi-tools might draw from
        before = torch.random.get_rng_state()
        weights.append(fitted("scvi", train, seed=seed, **QUICK).encoder.state_dict())
        assert torch.equal(torch.random.get_rng_state(), before)
    first, again, another = weights
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], another[key]) for key in first)


@NEEDS_SCVI
def test_batches_reach_its_decoder_and_change_what_it_learns():
    train, _ = unlabelled()
    halves = np.where(np.arange(len(train)) % 2 == 0, "even", "odd")
    alone = fitted("scvi", train, **QUICK).encoder.state_dict()
    batched = fitted("scvi", replace(train, batch=halves), **QUICK).encoder.state_dict()
    assert any(not torch.equal(alone[key], batched[key]) for key in alone)


@NEEDS_SCVI
def test_a_last_minibatch_of_one_cell_does_not_stop_it():
    train, _ = unlabelled()
    fitted("scvi", train.at(np.arange(129)), **QUICK)


@NEEDS_SCVI
def test_a_rehearsal_trains_one_epoch_and_leaves_the_encoder_as_it_was(monkeypatch):
    train, _ = unlabelled()
    epochs = []
    trained = Scvi._trained

    def counting(self, train, *, max_epochs):
        epochs.append((len(train), max_epochs))
        return trained(self, train, max_epochs=max_epochs)

    pretext = fitted("scvi", train, **QUICK)
    before = {key: value.clone() for key, value in pretext.state_dict().items()}
    monkeypatch.setattr(Scvi, "_trained", counting)
    pretext.rehearse(train)
    assert epochs == [(min(len(train), 256), 1)]
    assert all(torch.equal(before[key], value) for key, value in pretext.state_dict().items())


@pytest.mark.parametrize("n_cells, size", [(128, 128), (129, 127), (1000, 128), (257, 127), (2, 128)])  # fmt: skip
def test_no_cell_is_alone_in_a_minibatch(n_cells, size):
    assert minibatch_size(n_cells) == size
    assert n_cells % size != 1


def test_donors_stand_in_for_batches_where_there_are_none():
    train, _ = unlabelled()
    unnamed = replace(train, batch=np.full(len(train), ""))
    assert list(as_anndata(unnamed).obs["batch"]) == list(train.donor)
    named = replace(train, batch=np.full(len(train), "run1"))
    assert set(as_anndata(named).obs["batch"]) == {"run1"}


def test_the_anndata_holds_the_raw_counts_and_no_label():
    train, _ = two_donors()
    adata = as_anndata(train)
    np.testing.assert_array_equal(adata.X.toarray(), train.dense_counts())
    assert list(adata.var_names) == list(train.genes)
    assert list(adata.obs.columns) == ["batch"]


def test_a_missing_package_is_one_error_that_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(_extras, "find_spec", lambda name: None)
    train, _ = unlabelled()
    with pytest.raises(SetupError, match="needs the package scvi-tools") as refused:
        fitted("scvi", train, encoder="scvi")
    assert refused.value.code == "S061"
    assert "pip install 'sslbench[scvi]'" in (refused.value.fix or "")


def test_its_encoder_reads_raw_counts_and_cells_of_another_depth_are_other_cells():
    train, _ = unlabelled()
    torch.manual_seed(0)
    encoder = build_encoder("scvi", {}, n_genes=train.n_genes)
    z = embed_cells(encoder, train)
    with torch.inference_mode():
        expected = encoder.eval()(torch.log1p(torch.from_numpy(train.dense_counts())))
    np.testing.assert_allclose(z, expected.numpy(), atol=1e-5)


def test_a_task_whose_losses_show_normalised_expression_refuses_its_encoder():
    train, _ = unlabelled()
    with pytest.raises(ConfigError, match="reads raw counts"):
        fitted("masked", train, encoder="scvi")
