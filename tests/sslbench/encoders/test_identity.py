import numpy as np
import pytest
import torch

from sslbench.data.cells import Cells
from sslbench.encoders import identity
from sslbench.encoders.base import build_encoder, embed_cells, embed_expression
from sslbench.errors import ConfigError
from tests.factories import packed_rows, synthetic_cells


def encoder_for(cells: Cells) -> identity.Identity:
    encoder = build_encoder("identity", {}, n_genes=cells.n_genes)
    assert isinstance(encoder, identity.Identity)
    return encoder


def test_the_embedding_is_the_normalised_expression_to_the_bit():
    cells = synthetic_cells()
    x = cells.minibatch(np.arange(len(cells))).x.numpy()
    np.testing.assert_array_equal(embed_cells(encoder_for(cells), cells), x)


def test_packed_rows_become_dense():
    x = torch.tensor([[0.0, 2.0], [3.0, 0.0]])
    encoder = build_encoder("identity", {}, n_genes=2)
    assert torch.equal(embed_expression(encoder, packed_rows(x)), x)


def test_more_cells_than_memory_is_meant_for_are_one_clear_error(monkeypatch):
    cells = synthetic_cells()
    monkeypatch.setattr(identity.Identity, "most_values", 240 * 60)
    assert len(embed_cells(encoder_for(cells), cells)) == 240
    monkeypatch.setattr(identity.Identity, "most_values", 240 * 60 - 1)
    with pytest.raises(ConfigError, match="240 cells in 60 dimensions has 14,400 values") as caught:
        embed_cells(encoder_for(cells), cells)
    assert caught.value.code == "C036"
    assert "n_top_genes: 59" in str(caught.value.fix)


def test_an_encoder_that_makes_cells_smaller_embeds_any_number():
    assert build_encoder("linear", {}, n_genes=5).most_values is None
