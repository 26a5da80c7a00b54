"""Gene sets that a sweep file names are looked at before anything starts."""

from pathlib import Path

import pytest

from sslbench.errors import ConfigError, DataError
from sslbench.search.spec import SweepSpec, load_sweep

SWEEP = """
question: Which?
dataset: {{name: pbmc_cite}}
evaluation: [{{name: knn}}]
arms:
  mae:
    pretext: {{name: masked, mask: gene_programme, programmes: {fixed}}}
    encoder: {{name: mlp}}
    search:
      pretext/programmes: {{choice: [bundled, {searched}]}}
  supervised:
    pretext: {{name: supervised}}
    encoder: {{name: mlp}}
"""


def load(folder: Path, *, fixed: str = "bundled", searched: str = "my.gmt") -> SweepSpec:
    (folder / "my.gmt").write_text("one\tnote\tG1\tG2\n", encoding="utf-8")
    file = folder / "mine.yaml"
    file.write_text(SWEEP.format(fixed=fixed, searched=searched), encoding="utf-8")
    return load_sweep(file)


def test_files_lie_beside_the_sweep_file_and_are_pinned_wherever_they_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    arm = load(tmp_path, fixed="my.gmt").arms["mae"]
    choice = arm.search["pretext/programmes"].choice
    assert choice is not None
    assert choice[0] == "bundled"
    assert choice[1] == arm.pretext["programmes"]
    assert str(choice[1]).startswith(f"{tmp_path}/my.gmt#sha256=")


def test_a_misspelt_name_is_an_error_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, fixed="imune")
    assert "mine.yaml, line 7" in str(error.value)
    assert "did you mean 'immune'" in str(error.value)


def test_a_missing_file_is_an_error_with_its_line_and_path(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        load(tmp_path, searched="none.gmt")
    assert error.value.code == "G005"
    assert "mine.yaml, line 10" in str(error.value)
    assert f"{tmp_path}/none.gmt" in str(error.value)
