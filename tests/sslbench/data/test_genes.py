import numpy as np
import pytest
import scanpy
from scipy.sparse import csr_matrix

from sslbench.data.genes import gene_names, highly_variable
from sslbench.errors import DataError
from tests.factories import synthetic_adata


def test_versions_of_ensembl_ids_are_stripped_and_dots_in_symbols_kept() -> None:
    given = ["ENSG00000090382.7", "ENSMUSG00000069516.9", "HLA-DRA", "RP11-34P13.7"]
    wanted = ("ENSG00000090382", "ENSMUSG00000069516", "HLA-DRA", "RP11-34P13.7")
    assert gene_names(given, where="f") == wanted


def test_names_that_stand_twice_are_an_error_even_when_only_their_versions_differ() -> None:
    with pytest.raises(DataError, match="same name") as error:
        gene_names(["ENSG00000090382.7", "ENSG00000090382.8", "LYZ"], where="f")
    assert error.value.code == "D120"
    assert "ENSG00000090382" in str(error.value)


def test_genes_are_the_ones_that_scanpy_ranks_highest() -> None:
    adata = synthetic_adata(n_genes=100)
    chosen = highly_variable(adata.X, n_top_genes=30)
    scanpy.pp.normalize_total(adata, target_sum=1e4)
    scanpy.pp.log1p(adata)
    scanpy.pp.highly_variable_genes(adata, n_top_genes=30, flavor="seurat")
    assert chosen.tolist() == np.flatnonzero(adata.var["highly_variable"]).tolist()


@pytest.mark.parametrize("n", [None, 60, 1000])
def test_none_or_more_than_there_are_keeps_every_gene(n: int | None) -> None:
    assert highly_variable(synthetic_adata().X, n_top_genes=n).tolist() == list(range(60))


def test_exactly_as_many_genes_as_asked_are_kept_even_where_they_tie() -> None:
    same = csr_matrix(np.tile(np.array([[1.0], [3.0]] * 20), (1, 50)))
    assert len(highly_variable(same, n_top_genes=10)) == 10
