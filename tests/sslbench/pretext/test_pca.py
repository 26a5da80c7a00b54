import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.decomposition import PCA

from sslbench.data.cells import Cells, CountsMatrix
from sslbench.encoders.base import build_encoder, embed_cells
from sslbench.errors import ConfigError
from sslbench.pretext.base import build_pretext

N_GENES = 15


def some_cells(n_cells=40, seed=0):
    counts = np.random.default_rng(seed).poisson(1.0, (n_cells, N_GENES))
    return Cells(
        counts=CountsMatrix.from_scipy(csr_matrix(counts)),
        row_ids=np.arange(n_cells),
        genes=tuple(f"g{g}" for g in range(N_GENES)),
        label=None,
        label_names=(),
        donor=np.full(n_cells, ""),
        batch=np.full(n_cells, ""),
    )


def fitted(train, *, embedding_dim=5, encoder="linear", seed=0):
    torch.manual_seed(seed)
    network = build_encoder(encoder, {"embedding_dim": embedding_dim}, n_genes=N_GENES)
    pretext = build_pretext("pca", {}, encoder=network, genes=train.genes, label_names=())
    pretext.prepare(train)
    return pretext.encoder


def expression(cells):
    return cells.minibatch(np.arange(len(cells))).x.numpy().astype(np.float64)


def test_embedding_equals_scikit_learn_on_cells_it_was_not_fitted_on():
    train, other = some_cells(seed=0), some_cells(seed=1)
    theirs = PCA(5, svd_solver="full").fit(expression(train)).transform(expression(other))
    np.testing.assert_allclose(embed_cells(fitted(train), other), theirs, atol=1e-4)


def test_components_are_uncorrelated_and_in_falling_order_on_training_cells():
    train = some_cells()
    covariance = np.cov(embed_cells(fitted(train), train).T)
    variance = np.diag(covariance)
    assert (np.diff(variance) < 0).all()
    assert np.abs(covariance - np.diag(variance)).max() < 1e-4


def test_the_result_does_not_depend_on_the_weights_before():
    first, second = (fitted(some_cells(), seed=seed).state_dict() for seed in (1, 2))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_another_encoder_is_refused_when_built():
    with pytest.raises(ConfigError, match=r"linear encoder, .* got MLP") as caught:
        fitted(some_cells(), encoder="mlp")
    assert "linear" in caught.value.fix


@pytest.mark.parametrize("n_cells, most", [(8, 8), (40, N_GENES)])
def test_more_components_than_cells_or_genes_are_refused(n_cells, most):
    assert fitted(some_cells(n_cells), embedding_dim=most).embedding_dim == most
    with pytest.raises(
        ConfigError, match=f"at most {most} components, got embedding_dim={most + 1}"
    ):
        fitted(some_cells(n_cells), embedding_dim=most + 1)
