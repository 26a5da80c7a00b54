"""Genes are found by name alone, and too few of them are refused with what would help."""

import numpy as np
import pandas as pd
import pytest

from sslbench.errors import DataError
from sslbench.gene_alignment import align_genes, refuse_low_coverage

MODEL = tuple(f"GENE{i}" for i in range(10))


def refusal(genes: pd.DataFrame) -> str:
    column = align_genes(MODEL, [str(name) for name in genes.index])
    with pytest.raises(DataError) as caught:
        refuse_low_coverage(MODEL, column, genes)
    assert caught.value.code == "D130"
    return str(caught.value)


def test_genes_are_found_by_name_in_any_order_and_missing_ones_say_so():
    np.testing.assert_array_equal(align_genes(["a", "b", "c"], ["c", "x", "a"]), [2, -1, 0])


def test_ensembl_versions_are_ignored_on_both_sides():
    model, names = (
        ["ENSG00000141510.17", "ENSMUSG00000059552"],
        ["ENSMUSG00000059552.8", "ENSG00000141510"],
    )
    np.testing.assert_array_equal(align_genes(model, names), [1, 0])


def test_a_dot_in_any_other_name_is_part_of_it():
    np.testing.assert_array_equal(align_genes(["RP11-34P13.7"], ["RP11-34P13.8"]), [-1])


def test_names_differing_in_case_are_different_genes():
    np.testing.assert_array_equal(align_genes(["C1orf112"], ["C1ORF112"]), [-1])


def test_a_gene_of_the_model_that_is_there_twice_is_refused_and_another_is_not():
    np.testing.assert_array_equal(align_genes(["a"], ["x", "a", "x"]), [1])
    with pytest.raises(DataError, match="D131"):
        align_genes(["a"], ["a", "x", "a"])


def test_exactly_half_of_the_genes_is_enough():
    column = np.array([0, 1, 2, 3, 4, -1, -1, -1, -1, -1])
    refuse_low_coverage(MODEL, column, pd.DataFrame(index=MODEL[:5]))
    column[4] = -1
    with pytest.raises(DataError, match="D130"):
        refuse_low_coverage(MODEL, column, pd.DataFrame(index=MODEL[:5]))


def test_a_refusal_names_the_coverage_and_five_examples_of_each_side():
    text = refusal(pd.DataFrame(index=[*MODEL[:2], "x1", "x2", "x3", "x4", "x5", "x6"]))
    assert "2 of 10 (20%)" in text
    assert "the model's: GENE2, GENE3, GENE4, GENE5, GENE6;" in text
    assert "yours: x1, x2, x3, x4, x5\n" in text


def test_a_refusal_names_the_column_of_var_that_holds_the_models_names():
    ids = [f"ENSG{i:011d}" for i in range(10)]
    table = pd.DataFrame(
        {"mean": np.arange(10.0), "symbol": pd.Categorical(MODEL), "chromosome": ["1"] * 10},
        index=ids,
    )
    assert "var['symbol'] has 10 of them" in refusal(table)


def test_a_refusal_says_when_only_the_case_differs():
    assert "another species" in refusal(pd.DataFrame(index=[g.capitalize() for g in MODEL]))
