from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pytest

from sslbench.data import synthetic
from sslbench.data.catalogue import spec_of_file
from sslbench.data.store import open_cells, prepare_store
from sslbench.data.synthetic import SyntheticDesign, synthetic_adata, write_synthetic_h5ad

DESIGN = SyntheticDesign(n_cells=500, n_genes=100, n_types=3, n_donors=5, n_batches=2, depth=800)


def test_the_same_design_gives_the_same_cells_and_another_seed_others() -> None:
    one, again = synthetic_adata(DESIGN), synthetic_adata(DESIGN)
    assert (one.X != again.X).nnz == 0
    assert (one.X != synthetic_adata(replace(DESIGN, seed=1)).X).nnz > 0


def test_cells_have_the_types_donors_batches_and_depth_of_the_design() -> None:
    cells = synthetic_adata(DESIGN)
    assert cells.shape == (500, 100)
    assert cells.obs["cell_type"].nunique() == 3
    assert set(cells.obs["donor"].value_counts()) == {100}
    assert cells.obs.groupby("donor", observed=True)["batch"].nunique().max() == 1
    assert cells.X.sum(axis=1).mean() == pytest.approx(800, rel=0.05)
    assert (cells.X.data == np.rint(cells.X.data)).all()


def test_the_streamed_file_holds_the_cells_of_the_design_block_by_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic, "BLOCK_VALUES", 130 * DESIGN.n_genes)
    assert len(list(DESIGN.blocks())) == 4
    write_synthetic_h5ad(DESIGN, tmp_path / "cells.h5ad")
    read, wanted = anndata.read_h5ad(tmp_path / "cells.h5ad"), synthetic_adata(DESIGN)
    assert (read.X != wanted.X).nnz == 0
    assert read.obs_names.tolist() == wanted.obs_names.tolist()
    assert read.obs["cell_type"].tolist() == wanted.obs["cell_type"].tolist()
    assert read.var_names.tolist() == list(DESIGN.genes)


def test_a_streamed_file_becomes_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic, "BLOCK_VALUES", 130 * DESIGN.n_genes)
    monkeypatch.setattr("sslbench.data.stored_cells.BLOCK_VALUES", 70 * DESIGN.n_genes)
    path = tmp_path / "cells.h5ad"
    write_synthetic_h5ad(DESIGN, path)
    spec = spec_of_file(path, label_key="cell_type", donor_key="donor", batch_key="batch")
    cells = open_cells(prepare_store(spec, n_top_genes=None, root=tmp_path), "train")
    wanted = synthetic_adata(DESIGN)[cells.row_ids].X.toarray()
    np.testing.assert_array_equal(cells.dense_counts(), wanted)


def test_types_differ_through_programmes_and_not_without_their_effect() -> None:
    def between_types(effect: float) -> float:
        cells = synthetic_adata(replace(DESIGN, type_effect=effect, cell_effect=0.0))
        share = cells.X.toarray() / cells.X.sum(axis=1)
        means = [
            share[(cells.obs["cell_type"] == t).to_numpy()].mean(axis=0) for t in ("type0", "type1")
        ]
        return float(np.abs(np.asarray(means[0]) - np.asarray(means[1])).sum())

    assert between_types(1.5) > 5 * between_types(0.0)


def test_every_gene_is_in_one_programme() -> None:
    genes = [gene for members in DESIGN.programmes().values() for gene in members]
    assert sorted(genes) == list(DESIGN.genes)


def test_an_impossible_design_is_refused_with_its_values() -> None:
    with pytest.raises(ValueError, match="n_genes=5"):
        SyntheticDesign(n_genes=5, n_programmes=10)
