"""A killed driver's processes and folders are ended by the next one; a living driver's are not touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sslbench.search.leftovers import TOKEN, TOKEN_VARIABLE, clear_up, scratch_folder

HOLD = "import sys, time; sys.path.insert(0, {root!r})\nfrom sslbench.search.leftovers import scratch_folder\n"
HOLD += "with scratch_folder() as folder:\n    print(folder, flush=True)\n    time.sleep(60)\n"
ROOT = str(Path(__file__).parents[3])


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sc-", dir="/tmp") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield Path(folder)


def driver() -> tuple[subprocess.Popen[str], Path]:
    """A process that holds a scratch folder until it is killed."""
    code = HOLD.format(root=ROOT)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def sleeper(folder: Path) -> subprocess.Popen[bytes]:
    """A process as Ray starts them: with the token of its driver in the environment."""
    environment = os.environ | {TOKEN_VARIABLE: str(folder / TOKEN)}
    code = "import time; print(flush=True); time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()  # until it runs, /proc does not show its environment
    return process


def end(*processes: subprocess.Popen) -> None:
    for process in processes:
        process.kill()
        process.wait()


def test_a_scratch_folder_goes_with_its_block(temporary: Path) -> None:
    with scratch_folder() as folder:
        assert folder.parent == temporary
        assert folder.name.startswith(f"sslb-{os.getpid()}-")
    assert list(temporary.iterdir()) == []


def test_folder_and_processes_of_a_killed_driver_are_cleared_up(temporary: Path) -> None:
    holder, folder = driver()
    orphan = sleeper(folder)
    holder.kill()  # not waited for: a dead driver may stay a zombie for long
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
    clear_up()
    assert orphan.wait(timeout=10) == -signal.SIGKILL
    assert not folder.exists()
    end(holder)


def test_a_living_driver_keeps_its_folder_and_processes(temporary: Path) -> None:
    holder, folder = driver()
    worker = sleeper(folder)
    clear_up()
    assert folder.is_dir()
    assert worker.poll() is None
    end(holder, worker)


def test_processes_of_other_folders_are_left_alone(temporary: Path) -> None:
    dead, folder = driver()
    other = sleeper(folder.with_name(folder.name + "x"))
    dead.kill()
    dead.wait()
    clear_up()
    assert not folder.exists()
    assert other.poll() is None
    end(other)


def test_a_folder_that_was_removed_by_half_is_removed(temporary: Path) -> None:
    folder = temporary / "sslb-1-abc"
    (folder / "session").mkdir(parents=True)
    clear_up()
    assert not folder.exists()


def test_a_long_temporary_folder_is_not_used_for_sockets(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = temporary / ("x" * 60)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with scratch_folder() as folder:
        assert folder.parent == Path("/tmp")
