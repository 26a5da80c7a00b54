"""The same cell has the same embedding, however its AnnData stores it and whatever stands beside it."""

import logging

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from sslbench.data import anndata_slots
from sslbench.data.opening import open_cells_file, open_cells_files
from sslbench.embedding import Coverage, PulledEncoder, embedded_cells, embedded_slots
from sslbench.encoders.base import build_encoder
from sslbench.errors import DataError

GENES = tuple(f"GENE{i}" for i in range(40))


def pulled(name: str = "mlp") -> PulledEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = build_encoder(name, {"embedding_dim": 8}, n_genes=len(GENES))
    return PulledEncoder(
        encoder=encoder.eval(), genes=GENES, label_names=("a",), scores={}, about={}
    )


def cells(n_cells: int = 60, genes: tuple[str, ...] = GENES, seed: int = 0) -> anndata.AnnData:
    counts = np.random.default_rng(seed).poisson(1.5, size=(n_cells, len(genes)))
    return anndata.AnnData(
        sparse.csr_matrix(counts.astype(np.float32)),
        obs=pd.DataFrame(index=[f"cell{i}" for i in range(n_cells)]),
        var=pd.DataFrame(index=list(genes)),
    )


def slow_embedding(model: PulledEncoder, adata: anndata.AnnData) -> np.ndarray:
    """One cell at a time, one gene at a time, from the definition of the preprocessing."""
    table = adata.X.toarray()
    z = []
    for row in table:
        by_name = dict(zip(adata.var_names, row, strict=True))
        counts = np.array([by_name.get(gene, 0.0) for gene in model.genes], dtype=np.float64)
        x = np.log1p(counts * 10_000 / max(counts.sum(), 1.0)).astype(np.float32)
        with torch.no_grad():
            z.append(model.encoder(torch.from_numpy(x)[None]).numpy()[0])
    return np.stack(z)


@pytest.mark.parametrize("encoder", ["linear", "mlp", "residual_mlp", "transformer"])
def test_the_embedding_equals_a_loop_over_cells_and_genes(encoder):
    model = pulled(encoder)
    names = (*GENES[5:], "OTHER1", "OTHER2")
    shuffled = tuple(np.random.default_rng(1).permutation(names).tolist())
    adata = cells(genes=shuffled)
    z = model.embed(adata)
    assert z.dtype == np.float32
    np.testing.assert_allclose(z, slow_embedding(model, adata), atol=1e-5)


def test_an_opened_file_and_several_of_them_are_embedded_like_the_object(tmp_path):
    model, adata = pulled(), cells()
    z = model.embed(adata)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    adata[:25].write_h5ad(tmp_path / "first.h5ad")
    adata[25:, ::-1].write_zarr(tmp_path / "second.zarr")
    for names in (["cells.h5ad"], ["first.h5ad", "second.zarr"]):
        with open_cells_files([tmp_path / name for name in names]) as file:
            found = embedded_slots(model, file)
        np.testing.assert_allclose(found.z, z, atol=1e-5)
        assert found.has_counts.all()
        assert found.coverage.fraction == 1


def test_a_damaged_file_is_one_error_and_no_embedding(tmp_path):
    cells().write_h5ad(tmp_path / "cells.h5ad")
    with h5py.File(tmp_path / "cells.h5ad", "r+") as file:
        file["X/indices"][7] = 2**30
    with (
        open_cells_file(tmp_path / "cells.h5ad") as file,
        pytest.raises(DataError, match="damaged"),
    ):
        embedded_slots(pulled(), file)


def test_order_block_size_and_company_change_no_embedding(monkeypatch):
    model, adata = pulled(), cells()
    z = model.embed(adata)
    order = np.random.default_rng(2).permutation(60)
    np.testing.assert_allclose(model.embed(adata[order].copy()), z[order], atol=1e-5)
    np.testing.assert_allclose(model.embed(adata[7:8].copy()), z[7:8], atol=1e-5)
    monkeypatch.setattr(anndata_slots, "BLOCK_VALUES", 3 * len(GENES))
    np.testing.assert_allclose(model.embed(adata), z, atol=1e-5)


def test_the_order_of_genes_and_genes_unknown_to_the_model_change_nothing():
    model, adata = pulled(), cells(genes=(*GENES, "OTHER"))
    order = np.random.default_rng(3).permutation(41)
    np.testing.assert_allclose(
        model.embed(adata[:, order].copy()), model.embed(adata[:, :40].copy()), atol=1e-5
    )


def test_sparse_dense_column_compressed_view_and_backed_cells_embed_alike(tmp_path):
    model, adata = pulled(), cells()
    z = model.embed(adata)
    for layout in (np.asarray, sparse.csc_matrix, sparse.csr_array):
        other = adata.copy()
        other.X = layout(adata.X.toarray())
        np.testing.assert_allclose(model.embed(other), z, atol=1e-5)
        other.write_h5ad(tmp_path / "cells.h5ad")
        backed = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
        np.testing.assert_allclose(model.embed(backed), z, atol=1e-5)
        backed.file.close()
    np.testing.assert_allclose(model.embed(adata[10:20]), z[10:20], atol=1e-5)


def test_counts_are_found_in_the_layer_then_in_raw_with_its_own_genes():
    model, adata = pulled(), cells()
    z = model.embed(adata)
    normalised = adata.copy()
    normalised.X = normalised.X.log1p()
    in_layer, in_raw = normalised.copy(), adata[:, :].copy()
    in_layer.layers["counts"] = adata.X
    in_raw.raw = adata
    in_raw = in_raw[:, 35:].copy()
    in_raw.X = in_raw.X.log1p()
    for other, slot in ((in_layer, "layers/counts"), (in_raw, "raw")):
        found = embedded_cells(model, other)
        assert found.coverage.counts_slot == slot
        np.testing.assert_allclose(found.z, z, atol=1e-5)


def test_a_slot_asked_for_is_the_one_that_is_read():
    model, adata = pulled(), cells()
    adata.layers["counts"] = cells(seed=9).X
    np.testing.assert_allclose(model.embed(adata, counts="X"), model.embed(cells()), atol=1e-5)


def test_one_value_that_is_no_count_is_found_wherever_it_hides(monkeypatch):
    model, adata = pulled(), cells()
    monkeypatch.setattr(anndata_slots, "BLOCK_VALUES", 10 * len(GENES))
    values = adata.X.toarray()
    values[57, 3] = 2.5
    adata.X = sparse.csr_matrix(values)
    with pytest.raises(DataError, match="D10") as caught:
        model.embed(adata)
    assert "cell57" in str(caught.value)
    assert "GENE3" in str(caught.value)


def test_cells_without_any_matrix_are_refused():
    with pytest.raises(DataError, match="D100"):
        pulled().embed(anndata.AnnData(obs=pd.DataFrame(index=["a"])))


def test_the_users_object_is_left_as_it_was():
    adata = cells()
    adata.layers["counts"] = adata.X.copy()
    before = adata.copy()
    pulled().embed(adata)
    assert (adata.X != before.X).nnz == 0
    assert (adata.layers["counts"] != before.layers["counts"]).nnz == 0
    assert adata.X.data is not None
    np.testing.assert_array_equal(adata.X.indices, before.X.indices)
    assert not adata.obsm.keys()
    assert not adata.uns.keys()


def test_coverage_counts_genes_and_cells_and_warns_where_little_is_found(caplog):
    model = pulled()
    some = cells(genes=GENES[:36])
    few = cells(genes=GENES[:30])
    values = few.X.toarray()
    values[4] = 0
    few.X = sparse.csr_matrix(values)
    with caplog.at_level(logging.WARNING, logger="sslbench"):
        good = embedded_cells(model, some).coverage
        assert caplog.records == []
        poor = embedded_cells(model, few).coverage
        assert [r.levelname for r in caplog.records] == ["WARNING", "WARNING"]
    assert (good.n_genes_found, good.n_cells_without_counts) == (36, 0)
    assert (poor.n_genes_found, poor.n_cells_without_counts, poor.fraction) == (30, 1, 0.75)
    assert "30 of the model's 40 genes found (75%); counts from X" in str(poor)


def test_fewer_than_half_of_the_genes_are_refused_before_anything_is_embedded():
    with pytest.raises(DataError, match="D130"):
        pulled().embed(cells(genes=GENES[:19]))


def test_no_cells_give_no_rows():
    none = embedded_cells(pulled(), cells()[:0].copy())
    assert none.z.shape == (0, 8)
    assert isinstance(none.coverage, Coverage)


def test_an_encoder_with_batch_norm_embeds_a_cell_alone_as_in_company():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = build_encoder("mlp", {"embedding_dim": 8, "norm": "batch"}, n_genes=len(GENES))
        encoder.train()
        encoder(
            torch.rand(50, len(GENES))
        )  # moves the running statistics; the mode is left at train
    model = PulledEncoder(encoder=encoder, genes=GENES, label_names=(), scores={}, about={})
    adata = cells()
    np.testing.assert_allclose(model.embed(adata[3:4].copy()), model.embed(adata)[3:4], atol=1e-5)
