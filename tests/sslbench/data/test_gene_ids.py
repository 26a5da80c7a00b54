"""Names of genes are told apart by their form, and mapped only through a column of the file itself."""

import pandas as pd
import pytest

from sslbench.data.gene_ids import (
    as_symbols,
    excel_dates,
    kind_of,
    named_ids_among_symbols,
    species_of,
    symbol_column,
    unversioned,
)

SYMBOLS = ["LYZ", "CD14", "HLA-DRA", "C1orf112", "RP11-34P13.7", "MT-CO1", "MS4A1", "NKG7"]
MOUSE = ["Lyz2", "Cd14", "H2-Aa", "Rrs1", "mt-Co1", "Ms4a1", "Gm1992", "Nkg7"]
IDS = [f"ENSG{i:011d}" for i in range(8)]


@pytest.mark.parametrize(
    ("names", "kind", "species"),
    [
        (SYMBOLS, "symbols", "human"),
        (MOUSE, "symbols", "mouse"),
        (IDS, "human Ensembl", "human"),
        ([f"ENSMUSG{i:011d}" for i in range(8)], "mouse Ensembl", "mouse"),
        ([f"ENSDARG{i:011d}.2" for i in range(8)], "other Ensembl", None),
        ([f"gene_{i}" for i in range(8)], "numbered", None),
        ([str(i) for i in range(8)], "numbered", None),
    ],
)
def test_kind_and_species_follow_from_the_form_of_names(names, kind, species):
    assert kind_of(names) == kind
    assert species_of(names) == species


def test_symbols_and_ids_of_named_genes_are_mixed_and_ids_of_novel_genes_are_not():
    symbols = [f"GEN{i}A" for i in range(100)]
    named = [f"ENSG{i:011d}" for i in range(1_000, 1_030)]
    novel = [f"ENSG{i:011d}" for i in range(260_000, 260_030)]
    assert named_ids_among_symbols([*symbols, *named, *novel]) == named
    assert kind_of([*symbols, *named]) == "mixed"
    assert kind_of([*symbols, *novel]) == "symbols"
    assert kind_of([*symbols, *named[:5]]) == "symbols"


def test_dates_are_given_back_as_the_symbols_they_were():
    names = ["1-Mar", "MARCHF1", "Sep-02", "10-sept", "1-Dec", "SEPT2", "2-Jan", "MAR-1"]
    assert excel_dates(names) == {
        "1-Mar": "MARCHF1", "Sep-02": "SEPTIN2", "10-sept": "SEPTIN10", "1-Dec": "DELEC1",
    }  # fmt: skip


def test_versions_belong_to_ensembl_ids_alone():
    assert unversioned("ENSG00000090382.7") == "ENSG00000090382"
    assert unversioned("RP11-34P13.7") == "RP11-34P13.7"


def test_ids_become_the_symbols_of_a_column_and_stay_where_it_has_none_or_one_twice():
    symbols = ["LYZ", "CD14", None, "CD14", "", "Nkg7", "MS4A1", "nan"]
    var = pd.DataFrame({"length": range(8), "Gene_Symbol": symbols}, index=IDS)
    named = as_symbols(IDS, var)
    assert named == ["LYZ", "CD14", IDS[2], IDS[3], IDS[4], "Nkg7", "MS4A1", IDS[7]]


def test_symbols_stay_as_they_are():
    var = pd.DataFrame({"gene_name": MOUSE}, index=SYMBOLS)
    assert as_symbols(SYMBOLS, var) == SYMBOLS


def test_a_column_of_ids_is_none_of_symbols_whatever_it_is_called():
    assert symbol_column(pd.DataFrame({"gene_name": IDS}, index=IDS)) is None
    assert symbol_column(pd.DataFrame({"chromosome": SYMBOLS}, index=IDS)) is None
    assert symbol_column(pd.DataFrame({"gene_name": IDS, "symbol": SYMBOLS}, index=IDS)) == "symbol"
