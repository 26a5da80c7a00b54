import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from sslbench.encoders.base import build_encoder, embed_cells
from sslbench.errors import ConfigError
from sslbench.pretext._components import (
    of_few_cells,
    of_many_cells,
    refuse_other_encoders,
    write_components,
)
from tests.sslbench.pretext.test_pca import N_GENES, expression, some_cells


def test_the_covariance_of_many_cells_gives_the_components_of_the_decomposition(monkeypatch):
    monkeypatch.setattr(
        "sslbench.pretext._components.VALUES", 7 * N_GENES
    )  # 40 cells are 5 blocks and a rest
    (few, mean), (many, same) = of_few_cells(some_cells(), 6), of_many_cells(some_cells(), 6)
    np.testing.assert_allclose(many, few, atol=1e-9)
    np.testing.assert_allclose(same, mean, atol=1e-12)


def test_dimensions_beyond_the_components_are_zero_for_every_cell():
    train, other = some_cells(n_cells=6), some_cells(seed=1)
    encoder = build_encoder("linear", {"embedding_dim": 9}, n_genes=N_GENES)
    write_components(encoder, train, n_components=4)
    z = embed_cells(encoder, other)
    theirs = PCA(4, svd_solver="full").fit(expression(train)).transform(expression(other))
    np.testing.assert_allclose(z[:, :4], theirs, atol=1e-4)
    assert (z[:, 4:] == 0).all()


@pytest.mark.parametrize(
    "names, words",
    [(("linear",), "a linear encoder"), (("identity",), "expression itself"), (("identity", "linear"), "genes")],
)  # fmt: skip
def test_an_encoder_that_cannot_be_filled_is_refused_with_those_that_can(names, words):
    with torch.random.fork_rng():
        mlp = build_encoder("mlp", {"embedding_dim": 4}, n_genes=N_GENES)
    with pytest.raises(ConfigError, match=words) as caught:
        refuse_other_encoders(mlp, task="this", names=names)
    assert all(f"name: {name}" in str(caught.value.fix) for name in names)
