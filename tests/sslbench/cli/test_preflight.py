"""A machine that does not allow the sweep says so before a cell is read; one that is only odd says so in a line."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

import sslbench.cli.cells
from sslbench.cli import preflight
from sslbench.errors import SetupError
from tests.sslbench.cli.typed import typed

PROJECT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _no_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(sslbench.cli.cells, "built", lambda *_: pytest.fail("cells were read"))


@pytest.mark.parametrize("verb", ["sweep", "check"])
def test_a_home_that_cannot_be_written_is_one_error(verb: str) -> None:
    ended = typed(verb, "smoke", "--home", "/proc/sslbench")
    assert ended.code == 4
    assert ended.err.startswith("error[S050]")
    assert "/proc/sslbench" in ended.err
    assert ended.err.count("error[") == 1


def test_a_file_system_without_locks_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    ended = typed("sweep", "smoke", "--home", str(tmp_path / "home"))
    assert (ended.code, "S051" in ended.err) == (4, True)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_error_that_says_how_much_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))
    ended = typed("sweep", "smoke", "--home", str(tmp_path / "home"))
    assert (ended.code, "S052" in ended.err) == (4, True)
    assert "1,000,000 bytes are free, about 67," in ended.err
    assert list(tmp_path.iterdir()) == []


def test_no_folder_for_scratch_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    with pytest.raises(SetupError, match="temporary files") as caught:
        preflight.scratch()
    assert "TMPDIR" in (caught.value.fix or "")


def test_little_shared_memory_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=64 * 2**20 - 1))
    assert "64 MB free" in preflight.small_shared_memory()
    monkeypatch.setattr(preflight, "SHARED_MEMORY", Path("/no/such/folder"))
    assert "0 MB free" in preflight.small_shared_memory()


def test_a_share_of_a_gpu_that_is_not_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr(sslbench.cli.cells, "built", lambda *_: sys.exit(9))
    words = ("sweep", "smoke", "--home", str(tmp_path / "home"))
    asked = typed(*words, "-o", "resources.gpus_per_trial=1")
    assert asked.code == 9
    assert "gpus_per_trial is 1, and there is no GPU: trials run on CPUs" in asked.err
    assert "gpus_per_trial" not in typed(*words).err


def test_more_gpus_than_there_are_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda _: "a GPU")
    home = str(tmp_path / "home")
    ended = typed("sweep", "smoke", "--home", home, "-o", "resources.gpus_per_trial=2")
    assert ended.code == 4
    assert "gpus_per_trial is 2.0, and this machine has 1" in ended.err


@pytest.mark.parametrize("home", ["/proc/sslbench", None], ids=["not writable", "unset"])
def test_what_needs_no_home_of_the_person_works_without_one(home: str | None) -> None:
    """`list` and `doctor` neither write there nor end with a traceback."""
    environment = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_CACHE_HOME")}
    if home is not None:
        environment["HOME"] = home
    command = [sys.executable, "-m", "sslbench", "doctor"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 4), done.stderr
    assert "Traceback" not in done.stderr
    assert home is None or f"warn     cache      {home}" in done.stderr
