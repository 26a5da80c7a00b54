from pathlib import Path

import numpy as np
import pytest

from sslbench.data.catalogue import load_dataset
from sslbench.data.cells import Cells
from sslbench.data.gene_programmes import bundled, gene_programmes, tf_programmes
from sslbench.data.gmt import read_gmt
from sslbench.data.store import open_cells, prepare_store
from sslbench.errors import ConfigError, DataError
from tests.factories import synthetic_cells


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Cells:
    root = tmp_path_factory.mktemp("stores")
    store = prepare_store(load_dataset("pbmc_cite"), n_top_genes=None, root=root)
    return open_cells(store, "train").without_labels()


def gmt(folder: Path, text: str) -> Path:
    path = folder / "sets.gmt"
    path.write_text(text, encoding="utf-8")
    return path


def genes(*numbers: int) -> str:
    return "\t".join(f"G{i:05d}" for i in numbers)


def test_a_gmt_is_read_in_order_with_and_without_a_byte_order_mark(tmp_path: Path) -> None:
    for mark in ("", "\ufeff"):
        sets = read_gmt(gmt(tmp_path, mark + "b\tnote\tG1\tG2\t\n\na\t\tG3\n"))
        assert list(sets.items()) == [("b", ("G1", "G2")), ("a", ("G3",))]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("a\tn\tG1\nb\tn\t\t\n", "G001", 2),
        ("a\tn\n", "G001", 1),
        ("a\tn\tG1\n\na\tn\tG2\n", "G002", 3),
        ("a\tn\tG1\nb,n,G1\n", "G004", 2),
        ("", "G006", None),
    ],
)
def test_a_line_that_is_no_set_is_named(
    tmp_path: Path, text: str, code: str, line: int | None
) -> None:
    path = gmt(tmp_path, text)
    with pytest.raises(DataError) as error:
        read_gmt(path)
    assert error.value.code == code
    assert (f"{path}, line {line}" if line else str(path)) in str(error.value)


def test_a_missing_file_and_one_that_is_no_text_are_refused(tmp_path: Path) -> None:
    binary = tmp_path / "sets.gmt"
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "none.gmt", binary):
        with pytest.raises(DataError) as error:
            read_gmt(path)
        assert error.value.code == "G005"


def test_an_unknown_source_gives_the_nearest(train: Cells) -> None:
    with pytest.raises(ConfigError) as error:
        gene_programmes("imune", train=train)
    assert "did you mean 'immune'" in str(error.value)


def test_no_overlap_is_an_error_with_the_remedy() -> None:
    with pytest.raises(DataError) as error:
        gene_programmes("immune", train=synthetic_cells())
    assert error.value.code == "G003"
    assert "coexpression" in str(error.value)


def test_the_matrix_says_which_genes_of_the_data_a_set_has(tmp_path: Path) -> None:
    cells = synthetic_cells()
    path = gmt(tmp_path, f"one\t\t{genes(1, 2, 3, 59)}\tABSENT\nfew\t\t{genes(1, 2)}\n")
    found = gene_programmes(str(path), train=cells, min_genes=4)
    assert found.names == ("one",)
    assert found.matrix.dtype == bool
    assert np.flatnonzero(found.matrix[0]).tolist() == [1, 2, 3, 59]


def test_the_bundled_programmes_cover_pbmc_cite_as_documented(train: Cells) -> None:
    assert len(bundled("immune")) == 181
    assert gene_programmes("immune", train=train).matrix.shape == (23, 500)


@pytest.mark.parametrize("source", ["tf_targets", "coexpression"])
def test_a_transcription_factor_is_a_gene_of_the_data_and_never_its_own_target(
    train: Cells, source: str
) -> None:
    found = tf_programmes(source, train=train)
    assert len(found.names) == len(set(found.names)) >= 10
    assert [train.genes[i] for i in found.tf_genes] == list(found.names)
    assert found.tf_genes.dtype == np.int64
    assert not found.matrix[np.arange(len(found.names)), found.tf_genes].any()
    assert found.matrix.sum(axis=1).min() >= 5


def test_several_sets_of_one_tf_are_united(tmp_path: Path) -> None:
    text = (
        f"G00000_01\t\t{genes(1, 2, 0)}\nG00000_TARGET_GENES\t\t{genes(2, 3)}\n"
        f"NOTHERE\t\t{genes(1, 2, 3)}\nG00009\t\t{genes(4)}\n"
    )
    found = tf_programmes(str(gmt(tmp_path, text)), train=synthetic_cells(), min_targets=3)
    assert found.names == ("G00000",)
    assert found.tf_genes.tolist() == [0]
    assert np.flatnonzero(found.matrix[0]).tolist() == [1, 2, 3]


def test_no_usable_tf_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    path = gmt(tmp_path, f"TF1\t\t{genes(1, 2, 3)}\n")
    with pytest.raises(DataError) as error:
        tf_programmes(str(path), train=synthetic_cells(), min_targets=1)
    assert error.value.code == "G003"
