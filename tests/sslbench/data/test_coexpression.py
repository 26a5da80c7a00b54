from collections import Counter
from dataclasses import replace

import numpy as np

from sslbench.data.cells import CountsMatrix
from sslbench.data.coexpression import Standardised, coexpressed, correlated_with
from sslbench.data.synthetic import SyntheticDesign
from tests.factories import synthetic_cells

STRONG = {"n_cells": 400, "n_genes": 60, "n_programmes": 3, "cell_effect": 1.0, "type_effect": 0.0}


def test_correlations_are_pearsons() -> None:
    cells = synthetic_cells()
    x = cells.minibatch(np.arange(len(cells))).x.numpy()
    wanted = np.corrcoef(x, rowvar=False)[7]
    np.testing.assert_allclose(Standardised.of(cells).correlation(7), wanted, atol=1e-4)


def test_a_gene_that_never_varies_goes_with_nothing() -> None:
    cells = synthetic_cells()
    dense = cells.dense_counts()
    dense[:, 5] = 0
    without = replace(cells, counts=CountsMatrix.from_scipy(dense))
    assert Standardised.of(without).correlation(5).tolist() == [0.0] * 60
    grown = coexpressed(without, min_genes=2)
    assert "G00005" not in {gene for genes in grown.values() for gene in genes}


def test_programmes_that_the_cells_were_made_with_are_found_again() -> None:
    truth = SyntheticDesign(n_types=3, **STRONG).membership
    found = coexpressed(synthetic_cells(**STRONG), min_genes=5)
    agreeing = [
        Counter(int(truth[int(gene[1:])]) for gene in genes).most_common(1)[0][1]
        for genes in found.values()
    ]
    assert sum(agreeing) / sum(map(len, found.values())) > 0.9


def test_programmes_share_no_gene_and_are_not_too_small() -> None:
    found = coexpressed(synthetic_cells(), min_genes=5)
    genes = [gene for members in found.values() for gene in members]
    assert len(genes) == len(set(genes))
    assert min(map(len, found.values())) >= 5


def test_a_gene_is_not_among_those_it_goes_with() -> None:
    found = correlated_with(["G00003"], synthetic_cells())
    assert "G00003" not in found["G00003"]
    assert 0 < len(found["G00003"]) <= 20
