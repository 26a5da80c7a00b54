"""Planted leaks: the guard of a corpus must find cells of the target, however they are disguised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
from scipy.sparse import csr_matrix

from sslbench.data.catalogue import DatasetSpec
from sslbench.data.corpus import prepare_corpus
from sslbench.data.manifest import read_manifest
from sslbench.errors import DataError
from tests.sslbench.data.studies import GENES, described, shuffled, study


def guard(target: DatasetSpec, *corpus: DatasetSpec) -> str:
    """What the guard says of a corpus that it lets pass."""
    root = target.file.parent / "stores"
    folder = prepare_corpus(corpus, target=target, scenario="transfer", n_top_genes=None, root=root)
    return read_manifest(folder).guard


def refused(target: DatasetSpec, *corpus: DatasetSpec) -> DataError:
    with pytest.raises(DataError) as error:
        guard(target, *corpus)
    assert error.value.code == "D155"
    stores = target.file.parent / "stores"
    assert not stores.exists() or list(stores.iterdir()) == []
    return error.value


def target(folder: Path, **keys: Any) -> DatasetSpec:
    return described(study(0), folder / "target.h5ad", **keys)


def with_cells(adata: anndata.AnnData, copies: anndata.AnnData) -> anndata.AnnData:
    return anndata.concat([adata, copies], index_unique="-")


def test_other_cells_pass_and_all_are_compared(tmp_path: Path) -> None:
    says = guard(target(tmp_path), described(study(1), tmp_path / "other.h5ad"))
    assert says == "other: 60 of 60 target profiles compared"


DISGUISES = {
    "as they are": lambda adata: adata,
    "cells and genes in another order, under other names": shuffled,
    "with half of the genes more": lambda adata: more_genes(adata),
    "without some of the genes": lambda adata: shuffled(adata[:, 8:].copy()),
    "as whole numbers in a dense matrix": lambda adata: dense(adata),
}


def more_genes(adata: anndata.AnnData) -> anndata.AnnData:
    further = study(7, n_cells=adata.n_obs)
    further.var_names = [f"{name}X" for name in further.var_names]
    x = np.concatenate([further.X.toarray(), adata.X.toarray()], axis=1)
    obs = adata.obs.copy()
    wide = anndata.AnnData(csr_matrix(x), obs=obs)
    wide.var_names = [*further.var_names, *adata.var_names]
    return shuffled(wide, seed=3)


def dense(adata: anndata.AnnData) -> anndata.AnnData:
    other = adata.copy()
    other.X = adata.X.toarray().astype(np.int64)
    return other


@pytest.mark.parametrize("disguise", DISGUISES)
def test_one_cell_of_the_target_in_a_corpus_is_found(disguise: str, tmp_path: Path) -> None:
    planted = with_cells(study(1), study(0)[[17]].copy())
    corpus = described(DISGUISES[disguise](planted), tmp_path / "corpus.h5ad")
    error = refused(target(tmp_path), corpus)
    assert error.found is not None
    assert error.found.startswith("1 of 60 compared profiles")


def test_a_leak_in_the_second_data_set_of_a_corpus_is_found(tmp_path: Path) -> None:
    fine = described(study(1), tmp_path / "fine.h5ad")
    leaking = described(with_cells(study(2), study(0)[:3].copy()), tmp_path / "leaking.h5ad")
    assert "corpus leaking" in str(refused(target(tmp_path), fine, leaking))


def test_cells_of_excluded_donors_of_the_corpus_do_not_count(tmp_path: Path) -> None:
    planted = study(0)[:9].copy()
    planted.obs["donor"] = "dropped"
    keys: dict[str, Any] = {"exclude_donors": ("dropped",)}
    corpus = described(with_cells(study(1), planted), tmp_path / "corpus.h5ad", **keys)
    assert "60 of 60" in guard(target(tmp_path), corpus)


def sparse(seed: int) -> anndata.AnnData:
    """Cells with about 25 non-zeros: too few to tell them apart by their profile."""
    return study(seed, depth=30.0)


def test_sparse_profiles_are_told_apart_by_study(tmp_path: Path) -> None:
    aim = described(sparse(0), tmp_path / "target.h5ad", studies=("GSE1",))
    copies = shuffled(sparse(0))
    same = described(copies, tmp_path / "same.h5ad", studies=("GSE2", "GSE1"))
    other = described(sparse(1), tmp_path / "other.h5ad", studies=("GSE2",))
    assert "study GSE1" in str(refused(aim, same))
    assert guard(aim, other) == (
        "other: 0 of 60 target profiles compared, the rest told apart by study"
    )


def test_sparse_profiles_without_studies_are_said_to_be_compared_by_nothing(tmp_path: Path) -> None:
    aim = described(sparse(0), tmp_path / "target.h5ad")
    says = guard(aim, described(sparse(1), tmp_path / "other.h5ad", studies=("GSE2",)))
    assert says.endswith("vouched for by nobody: no studies are named")


def pair(folder: Path) -> list[DatasetSpec]:
    keys = {"label_key": "cell_type", "donor_key": "donor"}
    return [
        DatasetSpec(name=name, title=name, files=(folder / f"{name}.h5ad",), **keys)
        for name in ("target", "other")
    ]


def test_a_sparse_cell_is_not_taken_for_a_copy_of_another(tmp_path: Path) -> None:
    """49 genes of one count each: two different cells may well have the same of them."""
    of_49, of_50 = (tmp_path / "49", tmp_path / "50")
    for folder, n_non_zeros in ((of_49, 49), (of_50, 50)):
        folder.mkdir()
        x = np.zeros((60, len(GENES)), dtype=np.float32)
        x[:, :n_non_zeros] = 1
        for name in ("target", "other"):
            adata = study(0)
            adata.X = csr_matrix(x)
            adata.obs_names = [f"{name}{i}" for i in range(60)]
            described(adata, folder / f"{name}.h5ad")
    assert guard(*pair(of_49)).startswith("other: 0 of 60")
    assert "60 of 60 compared profiles" in str(refused(*pair(of_50)))


def test_the_target_itself_and_its_bytes_under_another_name_are_refused(tmp_path: Path) -> None:
    aim = described(sparse(0), tmp_path / "target.h5ad")
    assert "the same data set" in str(refused(aim, aim))
    copy = aim.model_copy(update={"name": "mine", "files": (tmp_path / "mine.h5ad",)})
    (tmp_path / "mine.h5ad").write_bytes(aim.file.read_bytes())
    assert "the same file: mine.h5ad, target.h5ad" in str(refused(aim, copy))
