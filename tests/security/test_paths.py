"""Names that lead out and files that are none: nothing is written outside the place that was named, and nothing kept."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sslbench.data.catalogue import DatasetSpec
from sslbench.errors import RefusedError, SslbenchError
from sslbench.model_folder import refuse_foreign
from sslbench.tracking.registry import pull_from_registry
from tests.security.hostile_server import hostile_server

OFFERED = {
    "up": "../x",
    "two up": "../../x",
    "far up": "../../../../../../../../tmp/sslbench-was-here",
    "up in the middle": "a/../../x",
    "up after a good name": "encoder.safetensors/../../x",
    "absolute": "/tmp/sslbench-was-here",
    "a scheme": "file:///tmp/sslbench-was-here",
    "up in percent": "%2e%2e/x",
    "up and a slash in percent": "..%2fx",
    "up in percent of percent": "%252e%252e%252fx",
    "a drive": "C:\\x",
    "backslashes up": "..\\..\\x",
    "a share": "\\\\server\\x",
    "NUL": "encoder.safetensors\0.pkl",
    "a name of other case": "GENES.TXT",
    "a pickle beside it": "model.pkl",
    "hidden": ".bashrc",
    "too long": "x" * 300,
    "a new line": "genes.txt\nx",
    "in a folder": "sub/genes.txt",
    "a home": "~/x",
}


@pytest.mark.parametrize("kind", OFFERED)
def test_a_server_cannot_write_where_it_was_not_asked_to(kind: str, tmp_path: Path) -> None:
    before = set(Path("/tmp").glob("sslbench-was-here"))
    with hostile_server("genes.txt", OFFERED[kind]) as uri, pytest.raises(SslbenchError) as caught:
        pull_from_registry(uri, "m", tmp_path / "in" / "best")
    assert caught.value.exit_code in (4, 7)
    assert [entry.name for entry in tmp_path.iterdir()] == ["in"]
    assert list((tmp_path / "in").iterdir()) == []
    assert set(Path("/tmp").glob("sslbench-was-here")) == before
    assert not (Path.home() / "x").exists()


def test_what_a_good_server_offers_arrives(tmp_path: Path) -> None:
    """Else the others could be refused for something else."""
    with hostile_server("genes.txt", "labels.json") as uri:
        folder = pull_from_registry(uri, "m", tmp_path / "best")
    assert {entry.name for entry in folder.iterdir()} == {"genes.txt", "labels.json"}


def symbolic_link(folder: Path) -> None:
    (folder / "genes.txt").symlink_to("/etc/passwd")


def link_to_a_folder(folder: Path) -> None:
    (folder / "genes.txt").symlink_to("/")


def dangling_link(folder: Path) -> None:
    (folder / "genes.txt").symlink_to("nowhere")


def hard_link(folder: Path) -> None:
    (folder.parent / "private").write_text("secret", encoding="utf-8")
    os.link(folder.parent / "private", folder / "genes.txt")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "genes.txt")


def waiting_socket(folder: Path) -> None:
    here = Path.cwd()
    os.chdir(folder)  # the path of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as unheard:
            unheard.bind("genes.txt")
    finally:
        os.chdir(here)


def sub_folder(folder: Path) -> None:
    (folder / "genes.txt").mkdir()


def other_case(folder: Path) -> None:
    (folder / "Genes.txt").write_text("a\n", encoding="utf-8")
    (folder / "genes.txt").write_text("a\n", encoding="utf-8")


def many_files(folder: Path) -> None:
    for i in range(10_000):
        (folder / f"{i}.txt").touch()


def hole_of_a_terabyte(folder: Path) -> None:
    with (folder / "encoder.safetensors").open("wb") as file:
        file.truncate(2**40)


ENTRIES = (
    symbolic_link, link_to_a_folder, dangling_link, hard_link, pipe, waiting_socket, sub_folder, other_case,
    many_files, hole_of_a_terabyte,
)  # fmt: skip


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.__name__)
def test_a_folder_that_holds_what_belongs_to_no_model_is_refused_unread(
    entry: Callable[[Path], None], tmp_path: Path
) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    entry(folder)
    started = time.process_time()
    with pytest.raises(RefusedError) as caught:
        refuse_foreign(folder)
    assert (caught.value.code, caught.value.exit_code) == ("R014", 7)
    assert time.process_time() - started < 2


@pytest.mark.parametrize("place", ["bundled:", "folder:", "fetched:"])
@pytest.mark.parametrize("name", ["../x.h5ad", "a/../../x.h5ad", "/etc/passwd"])
def test_a_data_set_cannot_name_a_file_outside_the_folders_of_data(place: str, name: str) -> None:
    described = {"title": "t", "label_key": None, "donor_key": None}
    with pytest.raises(ValueError, match="leads out of its folder"):
        DatasetSpec.model_validate({**described, "file": place + name})
