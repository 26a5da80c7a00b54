"""Files that are whole or not there, and text that says whether it is."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from sslbench.durable import beside, is_running, replaced, sealed, unsealed, write_atomically
from tests.sslbench.syncs import noted

HOST = socket.gethostname()
TEXT = json.dumps({"a": 1, "b": {"sha256": "not the seal"}}, indent=1)


def a_dead_process() -> int:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return child


def test_what_dead_writers_of_a_file_left_goes_with_the_next_write(tmp_path: Path) -> None:
    dead, other = a_dead_process(), a_dead_process()
    assert not is_running(dead)
    (tmp_path / f".x.json@{HOST}@{dead}.tmp").write_text("ha")
    (tmp_path / f".x.json@{HOST}@{os.getpid()}.tmp").write_text("ha")  # in a container: as before
    (tmp_path / f".x.json@{HOST}@{other}.tmp").mkdir()  # a folder is removed with what is in it
    (tmp_path / f".x.json@{HOST}@{other}.tmp" / "file").write_text("ha")
    kept = [
        f".x.json@{HOST}@{os.getppid()}.tmp",  # its writer lives
        f".x.json@elsewhere@{dead}.tmp",  # of another machine: who knows
        f".y.json@{HOST}@{dead}.tmp",  # of another file
        f"x.json@{HOST}@{dead}.tmp",  # somebody's own
    ]
    for name in kept:
        (tmp_path / name).write_text("ha")
    write_atomically(tmp_path / "x.json", "whole")
    assert sorted(f.name for f in tmp_path.iterdir()) == sorted([*kept, "x.json"])
    assert (tmp_path / "x.json").read_text() == "whole"


def test_the_new_name_of_a_file_is_on_the_disk_when_it_is_written(tmp_path: Path) -> None:
    """A rename that power takes back would take a record along of which others have been told."""
    file = tmp_path / "x.json"
    events = noted(lambda: write_atomically(file, "whole"))
    renamed = events.index(str(file))
    assert file.stat().st_ino in events[:renamed]  # first the content
    assert tmp_path.stat().st_ino in events[renamed:]


def test_so_is_that_of_a_folder_and_of_all_that_is_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "model"

    def work() -> None:
        with replaced(folder) as new:
            (new / "inside").mkdir(parents=True)
            (new / "inside" / "weights").write_bytes(b"w")

    events = noted(work)
    renamed = events.index(str(folder))
    inside = {path.stat().st_ino for path in (folder, *folder.rglob("*"))}
    assert len(inside) == 3
    assert inside <= set(events[:renamed])
    assert tmp_path.stat().st_ino in events[renamed:]


def test_the_hidden_name_is_that_of_this_process(tmp_path: Path) -> None:
    assert beside(tmp_path / "x") == tmp_path / f".x@{HOST}@{os.getpid()}.tmp"


def test_a_sealed_object_is_json_and_comes_back_as_it_was() -> None:
    assert json.loads(sealed(TEXT)).keys() == {"a", "b", "sha256"}
    assert unsealed(sealed(TEXT)) == TEXT


def test_an_object_without_a_seal_is_read_as_it_is() -> None:
    assert unsealed(TEXT) == TEXT
    assert unsealed("") == ""


@pytest.mark.parametrize("change", [("1", "2"), (' "a"', '  "a"'), ("the seal", "the scal")])
def test_a_changed_object_is_seen(change: tuple[str, str]) -> None:
    assert unsealed(sealed(TEXT).replace(*change, 1)) is None


def test_a_cut_object_is_seen() -> None:
    whole = sealed(TEXT)
    for cut in range(whole.rindex('"sha256": "') + 11, len(whole)):
        assert unsealed(whole[:cut]) is None
