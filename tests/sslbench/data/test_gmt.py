"""A file of gene sets is named by its place and its content, so that an edited file is another question."""

from pathlib import Path

import pytest

from sslbench.data.gmt import pinned, unpinned
from sslbench.errors import ConfigError, DataError


def gmt(folder: Path, text: str = "one\tnote\tG1\tG2\n") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "my.gmt"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["bundled", "immune", "tf_targets", "coexpression"])
def test_a_known_name_stands_for_itself(name: str, tmp_path: Path) -> None:
    assert pinned(name, folder=tmp_path) == name


def test_a_relative_path_starts_at_the_folder(tmp_path: Path) -> None:
    path = gmt(tmp_path / "sets")
    source = pinned("sets/my.gmt", folder=tmp_path)
    assert source.startswith(f"{path}#sha256=")
    assert unpinned(source) == path


def test_the_content_is_part_of_the_name_and_pinning_again_changes_nothing(tmp_path: Path) -> None:
    gmt(tmp_path)
    first = pinned("my.gmt", folder=tmp_path)
    assert pinned(first, folder=tmp_path) == first
    gmt(tmp_path, "one\tnote\tG1\tG3\n")
    assert pinned("my.gmt", folder=tmp_path) != first


def test_a_file_that_was_edited_meanwhile_is_refused(tmp_path: Path) -> None:
    gmt(tmp_path)
    source = pinned("my.gmt", folder=tmp_path)
    gmt(tmp_path, "one\tnote\tG1\tG3\n")
    with pytest.raises(DataError) as error:
        unpinned(source)
    assert error.value.code == "G007"


def test_a_misspelt_name_gives_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown gene programmes 'coexpresion'") as error:
        pinned("coexpresion", folder=tmp_path)
    assert "did you mean 'coexpression'" in str(error.value)
