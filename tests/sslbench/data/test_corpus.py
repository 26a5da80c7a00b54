"""A corpus joins studies on genes by name, and remembers which study measured which gene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest

from sslbench.config import Scenario
from sslbench.data.catalogue import DatasetSpec
from sslbench.data.corpus import prepare_corpus
from sslbench.data.manifest import read_manifest
from sslbench.data.report import describe_corpus
from sslbench.data.store import open_cells, prepare_store
from sslbench.errors import DataError
from tests.sslbench.data.studies import GENES, described, study


def corpus_of(
    *specs: DatasetSpec,
    target: DatasetSpec,
    scenario: Scenario = "transfer",
    n_top_genes: int | None = None,
) -> Path:
    root = target.file.parent / "stores"
    return prepare_corpus(
        specs, target=target, scenario=scenario, n_top_genes=n_top_genes, root=root
    )


def target(folder: Path, genes: slice = slice(None), **keys: Any) -> DatasetSpec:
    return described(study(0)[:, genes].copy(), folder / "target.h5ad", **keys)


def two_studies(folder: Path) -> tuple[list[DatasetSpec], list[anndata.AnnData]]:
    """One study without the first ten genes, one without the last ten and with genes in reverse."""
    tables = [study(1)[:, 10:].copy(), study(2)[:, ::-1][:, 10:].copy()]
    specs = [
        described(table, folder / f"{name}.h5ad", label_key=None, donor_key=None)
        for table, name in zip(tables, ("one", "two"), strict=True)
    ]
    return specs, tables


def test_genes_are_joined_by_name_and_what_a_study_lacks_counts_0_and_is_noted(
    tmp_path: Path,
) -> None:
    specs, tables = two_studies(tmp_path)
    cells = open_cells(corpus_of(*specs, target=target(tmp_path)), "train")
    assert set(cells.genes) == set(GENES)
    wanted = np.zeros((120, len(GENES)), dtype=np.float32)
    measured = np.zeros(wanted.shape, dtype=bool)
    for start, table in zip((0, 60), tables, strict=True):
        at = [cells.genes.index(gene) for gene in table.var_names]
        wanted[start : start + 60, at] = table.X.toarray()
        measured[start : start + 60, at] = True
    np.testing.assert_array_equal(cells.dense_counts(), wanted)
    batch = cells.minibatch(np.array([3, 70, 119]))
    assert batch.measured is not None
    np.testing.assert_array_equal(batch.measured.numpy(), measured[[3, 70, 119]])


def test_studies_of_the_same_genes_have_nothing_to_note(tmp_path: Path) -> None:
    specs = [described(study(seed), tmp_path / f"study{seed}.h5ad") for seed in (1, 2)]
    cells = open_cells(corpus_of(*specs, target=target(tmp_path)), "train")
    assert cells.measured is None
    assert cells.minibatch(np.arange(3)).measured is None


def test_a_corpus_has_no_labels_and_nothing_but_training_cells(tmp_path: Path) -> None:
    specs = [described(study(seed), tmp_path / f"study{seed}.h5ad") for seed in (1, 2)]
    store = corpus_of(*specs, target=target(tmp_path))
    train = open_cells(store, "train")
    assert (train.label == -1).all()
    assert train.label_names == ()
    assert set(train.donor) == {f"study{seed}/d{i}" for seed in (1, 2) for i in range(3)}
    assert len(train) == 120
    assert len(open_cells(store, "val")) == len(open_cells(store, "test")) == 0


def test_what_each_study_brings_is_told(tmp_path: Path) -> None:
    specs, _ = two_studies(tmp_path)
    manifest = read_manifest(corpus_of(*specs, target=target(tmp_path)))
    assert describe_corpus(manifest)[:2] == [
        "one: 60 cells, 70 of 80 genes",
        "two: 60 cells, 70 of 80 genes",
    ]
    assert "60 of 60 target profiles compared" in describe_corpus(manifest)[2]


def test_transfer_keeps_genes_that_the_target_has_and_zero_shot_keeps_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    specs, _ = two_studies(tmp_path)
    aim = target(tmp_path, slice(0, 65))
    kept = open_cells(corpus_of(*specs, target=aim), "train").genes
    assert set(kept) == set(GENES[:65])
    store = corpus_of(*specs, target=aim, scenario="zero_shot")
    genes = open_cells(store, "train").genes
    assert set(genes) == set(GENES)
    assert caplog.text == ""
    of_target = prepare_store(aim, n_top_genes=None, root=tmp_path, genes=genes)
    assert read_manifest(of_target).n_genes_missing == 15
    cells = open_cells(of_target, "train")
    assert cells.measured is not None
    lacking = ~cells.measured.of(cells.row_ids)[0]
    assert {genes[i] for i in np.flatnonzero(lacking)} == set(GENES[65:])
    assert not cells.dense_counts()[:, lacking].any()


def test_variable_genes_are_chosen_among_those_that_all_measured(tmp_path: Path) -> None:
    specs, _ = two_studies(tmp_path)
    aim = target(tmp_path)
    with pytest.raises(DataError, match="20 genes, 50 are needed") as error:
        corpus_of(*specs, target=aim, n_top_genes=20)
    assert error.value.code == "D156"
    chosen = open_cells(corpus_of(*specs, target=aim, n_top_genes=55), "train")
    assert len(chosen.genes) == 55
    assert set(chosen.genes) <= set(GENES[10:70])
    assert chosen.measured is None


def test_the_chosen_genes_do_not_depend_on_the_targets_counts(tmp_path: Path) -> None:
    """What is fitted before pretraining may look at the corpus alone."""
    specs, _ = two_studies(tmp_path)
    genes = []
    for seed in (0, 9):
        aim = described(study(seed), tmp_path / f"target{seed}.h5ad")
        store = corpus_of(*specs, target=aim, n_top_genes=55)
        genes.append(open_cells(store, "train").genes)
    assert genes[0] == genes[1]


def with_ids(adata: anndata.AnnData) -> anndata.AnnData:
    adata.var["gene_symbols"] = adata.var_names.to_numpy()
    adata.var_names = [f"ENSG{i + 1_000:011d}.3" for i in range(adata.n_vars)]
    return adata


def test_ids_become_symbols_where_the_target_has_symbols(tmp_path: Path) -> None:
    ids = described(with_ids(study(1)), tmp_path / "ids.h5ad")
    cells = open_cells(corpus_of(ids, target=target(tmp_path)), "train")
    assert cells.genes == GENES
    np.testing.assert_array_equal(cells.dense_counts(), study(1).X.toarray())


def test_a_copy_is_found_under_ids_too(tmp_path: Path) -> None:
    ids = described(with_ids(study(0)), tmp_path / "ids.h5ad")
    with pytest.raises(DataError) as error:
        corpus_of(ids, target=target(tmp_path))
    assert error.value.code == "D155"


def without_symbols(adata: anndata.AnnData) -> anndata.AnnData:
    adata = with_ids(adata)
    del adata.var["gene_symbols"]
    return adata


def as_mouse(adata: anndata.AnnData) -> anndata.AnnData:
    adata.var_names = [name.capitalize() for name in adata.var_names]
    return adata


@pytest.mark.parametrize(
    ("change", "code"), [(without_symbols, "D156"), (as_mouse, "D133")], ids=["ids", "mouse"]
)
@pytest.mark.parametrize("scenario", ["transfer", "zero_shot"])
def test_a_study_under_foreign_names_is_refused_even_beside_one_that_fits(
    change: Any, code: str, scenario: Scenario, tmp_path: Path
) -> None:
    fits = described(study(1), tmp_path / "fits.h5ad")
    foreign = described(change(study(2)), tmp_path / "foreign.h5ad")
    with pytest.raises(DataError, match="foreign") as error:
        corpus_of(fits, foreign, target=target(tmp_path), scenario=scenario)
    assert error.value.code == code
    assert list((tmp_path / "stores").iterdir()) == []


def test_the_same_corpus_is_built_once_and_another_target_makes_another(tmp_path: Path) -> None:
    specs, _ = two_studies(tmp_path)
    first = corpus_of(*specs, target=target(tmp_path))
    assert corpus_of(*specs, target=target(tmp_path)) == first
    assert corpus_of(*specs, target=target(tmp_path, slice(0, 60))) != first
