"""Everything that people's files have been seen to hold gives one clear error, or works: one row a case."""

from __future__ import annotations

from pathlib import Path

import anndata
import h5py
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sslbench.data.checking import check_cells
from sslbench.data.gene_programmes import gene_programmes
from sslbench.data.gmt import read_gmt
from sslbench.errors import DataError
from sslbench.gene_alignment import align_genes, refuse_low_coverage
from tests.factories import synthetic_cells
from tests.sslbench.data.faulty_cells import cells, one_mutation
from tests.sslbench.data.faulty_files import DAMAGE
from tests.sslbench.data.prepared import prepared, refusal, spec, written

MUTATIONS = one_mutation()
KNOWN_CODES = {code for code, _ in [*MUTATIONS.values(), *DAMAGE.values()] if code}
KNOWN_CODES |= {
    "D152",
    "D154",
}  # what two faults together may come to: no donor left, no label in validation


def mutated(names: list[str]) -> anndata.AnnData:
    adata = cells()
    for name in names:
        changed = MUTATIONS[name][1](adata)
        adata = adata if changed is None else changed
    return adata


@pytest.mark.parametrize("case", [name for name, (code, _) in MUTATIONS.items() if code])
def test_cells_that_cannot_be_used_give_the_one_error_that_says_why(
    case: str, tmp_path: Path
) -> None:
    error = refusal(tmp_path, written(mutated([case]), tmp_path))
    assert error.code == MUTATIONS[case][0], str(error)
    explains_itself(error)


@pytest.mark.parametrize("case", [name for name, (code, _) in MUTATIONS.items() if not code])
def test_cells_that_look_odd_but_can_be_used_are_used(case: str, tmp_path: Path) -> None:
    prepared(tmp_path, written(mutated([case]), tmp_path))


def test_what_is_odd_but_legal_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prepared(tmp_path, written(mutated(["labels that are clusters renamed"]), tmp_path))
    assert "obs['cell_type'] is obs['leiden'] renamed" in caplog.text


def test_an_error_of_labels_suggests_the_merge(tmp_path: Path) -> None:
    error = refusal(tmp_path, written(mutated(["labels that differ by case"]), tmp_path))
    assert ".replace({" in str(error.fix)


FAULTS = st.lists(st.sampled_from(sorted([*MUTATIONS, *DAMAGE])), max_size=3, unique=True)
SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@settings(SETTINGS, max_examples=60)
@given(names=FAULTS)
def test_any_three_faults_together_give_a_store_or_one_known_error(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    used_or_refused(tmp_path_factory.mktemp("cells"), names)


@pytest.mark.nightly
@settings(SETTINGS, max_examples=500)
@given(names=FAULTS)
def test_many_times_three_faults_give_a_store_or_one_known_error(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    used_or_refused(tmp_path_factory.mktemp("cells"), names)


def used_or_refused(folder: Path, names: list[str]) -> None:
    """Prepare cells with these faults: a store, or one known error and nothing written; `data check` agrees."""
    path = folder / "cells.h5ad"
    try:
        written(mutated([name for name in names if name in MUTATIONS]), folder)
        for name in names:
            if name in DAMAGE:
                DAMAGE[name][1](path)
    except (ValueError, TypeError, KeyError, IndexError, OSError):
        return  # faults that exclude each other
    before = {f.relative_to(folder).as_posix() for f in folder.rglob("*")}
    refused = None
    try:
        prepared(folder / "stores", path)
    except DataError as error:
        refused = error
        explains_itself(refused)
        assert refused.code in KNOWN_CODES, str(refused)
        there = {f.relative_to(folder).as_posix() for f in folder.rglob("*")}
        assert there - {"stores"} == before
    agrees_with_a_check(path, names, refused)


def agrees_with_a_check(path: Path, names: list[str], refused: DataError | None) -> None:
    try:
        checked = check_cells(spec(path)).problem
    except DataError as error:  # a file that cannot be read at all
        checked = error
    if "D141" in {MUTATIONS[name][0] for name in names if name in MUTATIONS}:
        return  # a check declares cells without a label, and goes on
    assert (checked is None) == (refused is None)
    if not set(names) & set(
        DAMAGE
    ):  # of two faults it may meet the other first: it reads obs before counts
        assert str(checked) == str(refused)


def explains_itself(error: DataError) -> None:
    """What is wrong, where, the evidence and what to do, on at most eight lines."""
    assert all((error.what, error.where, error.found, error.fix)), str(error)
    assert len(str(error).splitlines()) <= 8, str(error)
    assert "cells" in str(error.where)


@pytest.mark.parametrize("case", DAMAGE)
def test_a_file_that_cannot_be_read_is_told_before_its_cells_are(case: str, tmp_path: Path) -> None:
    path = written(cells(), tmp_path, compression="gzip")
    DAMAGE[case][1](path)
    error = refusal(tmp_path, path)
    assert error.code == DAMAGE[case][0], str(error)
    explains_itself(error)


def test_an_address_on_the_web_is_no_file(tmp_path: Path) -> None:
    assert refusal(tmp_path, Path("https://example.org/cells.h5ad")).code == "D007"


def test_labels_of_two_files_that_are_numbers_and_words_are_refused(tmp_path: Path) -> None:
    paths = [tmp_path / "a.h5ad", tmp_path / "b.h5ad"]
    for path, change in zip(paths, (lambda y: y, lambda y: y.str[-1].astype(int)), strict=True):
        adata = cells()
        adata.obs["cell_type"] = change(adata.obs["cell_type"])
        adata.write_h5ad(path)
    error = refusal(tmp_path, *paths)
    assert error.code == "D146"
    assert "number: " in str(error)
    assert "word: " in str(error)


def test_several_modalities_none_of_which_is_the_rna_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "cells.h5mu"
    with h5py.File(path, "w") as file:
        for name in ("one", "two"):
            anndata.io.write_elem(file, f"mod/{name}", cells())
    error = refusal(tmp_path, path)
    assert error.code == "D180"
    assert "one (60 features: G00000, G00001, G00002, …); two (60" in str(error)


def sets(folder: Path, text: str | bytes) -> Path:
    path = folder / "my.gmt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


GMT: dict[str, tuple[str, str | bytes, str]] = {
    "a set without genes": ("G001", "one\tnote\tG1\nnone\tnote\t\t \n", "line 2"),
    "a set that stands twice": ("G002", "one\tn\tG1\n\ntwo\tn\tG2\none\tn\tG3\n", "line 4"),
    "blanks in the place of tabs": ("G004", "one\tnote\tG1\ntwo note G1 G2\n", "line 2"),
    "no text": ("G005", b"\xff\xfeo\x00n\x00e\x00", "UTF-8"),
    "no sets": ("G006", "\n \n", "0 sets"),
    "a hundred thousand sets": (
        "G006",
        "".join(f"set{i}\tn\tG1\n" for i in range(100_000)),
        "100,000 sets",
    ),
}


@pytest.mark.parametrize("case", GMT)
def test_gene_sets_that_cannot_be_used_are_told_with_their_line(case: str, tmp_path: Path) -> None:
    code, text, says = GMT[case]
    with pytest.raises(DataError, match=says) as error:
        read_gmt(sets(tmp_path, text))
    assert error.value.code == code
    assert "my.gmt" in str(error.value)


def test_a_byte_order_mark_and_the_line_ends_of_windows_are_no_part_of_names(
    tmp_path: Path,
) -> None:
    text = b"\xef\xbb\xbfone\tnote\tG1\tG2\r\ntwo\t\tG3\x0b\r\n"
    assert read_gmt(sets(tmp_path, text)) == {"one": ("G1", "G2"), "two": ("G3",)}


def test_gene_sets_without_a_gene_of_the_data_are_refused(tmp_path: Path) -> None:
    path = sets(tmp_path, "one\tnote\tLYZ\tCD14\n")
    with pytest.raises(DataError) as error:
        gene_programmes(str(path), train=synthetic_cells(), min_genes=1)
    assert error.value.code == "G003"


MODEL_GENES = tuple(f"GEN{i}A" for i in range(40))
STRANGERS: dict[str, tuple[str, list[str]]] = {
    "no gene of the model": ("D130", [f"OTHER{i}B" for i in range(40)]),
    "a gene of the model twice": ("D131", [*MODEL_GENES[:39], MODEL_GENES[0]]),
    "genes of another species": ("D133", [name.capitalize() for name in MODEL_GENES]),
}


@pytest.mark.parametrize("case", STRANGERS)
def test_cells_that_a_model_cannot_read_are_told_why(case: str) -> None:
    code, names = STRANGERS[case]
    with pytest.raises(DataError) as error:
        refuse_low_coverage(MODEL_GENES, align_genes(MODEL_GENES, names), pd.DataFrame(index=names))
    assert error.value.code == code
