from pathlib import Path

from sslbench.data.catalogue import load_dataset
from sslbench.data.report import describe_data, describe_split
from sslbench.data.store import prepare_store, read_manifest
from tests.factories import synthetic_store


def test_the_two_lines_of_pbmc_cite(tmp_path: Path) -> None:
    store = prepare_store(load_dataset("pbmc_cite"), n_top_genes=None, root=tmp_path)
    manifest = read_manifest(store)
    assert describe_data(manifest) == (
        "pbmc_cite    1,200 cells x 500 genes, 3 donors, 8 cell types (1 not scored: other)    "
        "counts: X (whole numbers, all checked)"
    )
    assert describe_split(manifest) == (
        "by donor     train p3 | val p1 | test p4    leak checks 6/6 ok "
        "(0 exact copies among 283 profiles of 50 or more genes)"
    )


def test_a_split_of_cells_says_what_it_cannot_tell(tmp_path: Path) -> None:
    manifest = read_manifest(synthetic_store(tmp_path, donor_key=None))
    assert "donors not known" in describe_data(manifest)
    line = describe_split(manifest)
    assert line.startswith("by cell")
    assert "says nothing about other donors" in line


def test_many_donors_are_counted_and_not_listed(tmp_path: Path) -> None:
    manifest = read_manifest(synthetic_store(tmp_path, n_donors=12))
    assert "12 donors" in describe_data(manifest)
    assert "train d0, d11, d2 and 4 more" in describe_split(manifest)
