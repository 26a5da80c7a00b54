"""Files outside the package are found where the user says, or one line says what to do."""

from pathlib import Path

import pytest

from sslbench.data.catalogue import BUNDLED, load_dataset
from sslbench.data.places import cache_folder, located, place_of
from sslbench.errors import DataError, SetupError


def test_a_file_named_by_its_path_is_where_it_is() -> None:
    for file in (Path("/some/cells.h5ad"), BUNDLED / "pbmc_cite.h5ad"):
        assert located(file) == file
    assert place_of(BUNDLED / "pbmc_cite.h5ad") == "bundled"
    assert place_of(Path("/some/cells.h5ad")) == "own"


def test_a_file_of_the_folder_is_found_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLBENCH_DATA", str(tmp_path))
    (tmp_path / "mine.h5ad").touch()
    assert located(Path("folder:mine.h5ad")) == tmp_path / "mine.h5ad"


def test_without_the_variable_the_error_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSLBENCH_DATA", raising=False)
    with pytest.raises(SetupError) as error:
        located(Path("folder:mine.h5ad"))
    assert "set SSLBENCH_DATA to the folder that holds mine.h5ad" in str(error.value)


def test_a_variable_that_names_no_folder_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLBENCH_DATA", str(tmp_path / "gone"))
    with pytest.raises(SetupError) as error:
        located(Path("folder:mine.h5ad"))
    assert str(tmp_path / "gone") in str(error.value)


def test_a_file_that_the_folder_lacks_is_an_error_of_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLBENCH_DATA", str(tmp_path))
    with pytest.raises(DataError, match="no such file") as error:
        located(Path("folder:mine.h5ad"))
    assert str(tmp_path / "mine.h5ad") in str(error.value)


def test_what_was_not_fetched_says_how_to_fetch_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(SetupError) as error:
        located(load_dataset("kang18").file)
    assert "sslbench data fetch kang18" in str(error.value)
    (tmp_path / "sslbench").mkdir()
    (tmp_path / "sslbench/kang18.h5ad").touch()
    assert located(load_dataset("kang18").file) == tmp_path / "sslbench/kang18.h5ad"


def test_the_cache_is_that_of_the_desktop_or_under_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache/sslbench"
