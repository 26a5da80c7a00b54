"""What kind of names genes have is seen from the gene lists that come with sslbench."""

import pandas as pd
import pytest

from sslbench.data.known_genes import bundled_symbols, describe_genes

HUMAN = ["CD3D", "CD19", "MS4A1", "NKG7", "LYZ", "C1orf112"]


def table(names: list[str], **columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(columns, index=names)


@pytest.mark.parametrize(
    ("names", "kind", "recognised"),
    [
        (HUMAN, "human gene symbols", True),
        (
            ["Cd3d", "Cd19", "Ms4a1", "Nkg7"],
            "gene symbols of another species, by their case",
            False,
        ),
        (["ENSG00000167286.10", "ENSG00000177455"], "human Ensembl ids", False),
        (["ENSMUSG00000032094", "ENSMUSG00000030724"], "mouse Ensembl ids", False),
        (["g0000", "g0001"], "names of no known kind", False),
    ],
)
def test_the_kind_of_names_is_recognised(names: list[str], kind: str, recognised: bool) -> None:
    found = describe_genes(table(names))
    assert found.kind == kind
    assert found.recognised == recognised


def test_known_genes_are_counted() -> None:
    symbols = bundled_symbols()
    assert describe_genes(table(HUMAN)).n_known == sum(name in symbols for name in HUMAN) >= 4


def test_a_column_that_holds_the_symbols_is_named() -> None:
    ids = [f"ENSG{i:011d}" for i in range(len(HUMAN))]
    assert describe_genes(table(ids, chromosome=["1"] * 6, symbol=HUMAN)).better_column == "symbol"
    assert describe_genes(table(HUMAN, ensembl=ids)).better_column is None
