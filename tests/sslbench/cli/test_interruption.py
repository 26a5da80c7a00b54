"""Two requests to end: the first is left to the main thread, the second ends the process whatever that one does."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sslbench.cli.interruption import ASKED_TO_END

# As a sweep: `main` has set the answers, and what is done in good order takes long.
BUSY = """
import signal, sys, time
from pathlib import Path
from sslbench.cli.interruption import as_ctrl_c, interruptible

for number in (signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, as_ctrl_c)
with interruptible("sslbench sweep mine", at_once=Path(sys.argv[1]).touch):
    try:
        print("ready", flush=True)
        time.sleep(120)
    except KeyboardInterrupt:
        print("ending", flush=True)
        if sys.argv[2] == "slow":
            time.sleep(120)
sys.exit(130)
"""
FIRST = "\nending in good order, which takes seconds; ask again to end at once\n"
EVERY = pytest.mark.parametrize("number", ASKED_TO_END, ids=lambda number: number.name)


@contextmanager
def busy(mark: Path, pace: str, *, under: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[str]]:
    command = [*under, sys.executable, "-c", BUSY, str(mark), pace]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@EVERY
def test_once_is_answered_by_the_main_thread_alone(tmp_path: Path, number: signal.Signals) -> None:
    with busy(tmp_path / "mark", "quick") as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "ending\n", FIRST)
    assert not (tmp_path / "mark").exists()


def test_sigterm_is_heard_where_ctrl_c_is_ignored_as_in_the_background_of_a_script(
    tmp_path: Path,
) -> None:
    ignoring = ("sh", "-c", "trap '' INT; exec \"$@\"", "sh")
    with busy(tmp_path / "mark", "quick", under=ignoring) as process:
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "ending\n")


@EVERY
def test_twice_ends_at_once_and_says_how_to_go_on(tmp_path: Path, number: signal.Signals) -> None:
    with busy(tmp_path / "mark", "slow") as process:
        process.send_signal(number)
        assert process.stdout is not None
        assert process.stdout.readline() == "ending\n"
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        seconds = time.monotonic() - began
    assert process.returncode == 130
    last = "\nended at once; the same command goes on from here: sslbench sweep mine\n"
    assert err.removeprefix(FIRST) == last  # the first line is left out if both were heard at once
    assert (tmp_path / "mark").exists()
    assert seconds < 20  # of a process that would have slept for 120
