"""Who drives a sweep is known as long as he lives, however he ends."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

from sslbench.search.drivers import LOCK, driver_kept_out, driver_of
from sslbench.search.run import owned

ROOT = Path(__file__).parents[3]
HOLD = "import sys, time\nfrom pathlib import Path\nfrom sslbench.search.run import owned\n"
HOLD += "with owned(Path(sys.argv[1])):\n    print(flush=True)\n    time.sleep(60)\n"


def driver(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_a_driver_is_named_while_it_lives_and_no_longer(tmp_path: Path) -> None:
    assert driver_of(tmp_path) == ""
    process = driver(tmp_path)
    try:
        assert f"process {process.pid} since" in driver_of(tmp_path)
        with driver_kept_out(tmp_path) as who:
            assert who == driver_of(tmp_path)
    finally:
        process.kill()
        process.wait()
    assert driver_of(tmp_path) == ""
    assert "process" in (tmp_path / "driver.lock").read_text(encoding="utf-8")  # the text stays


def test_no_driver_starts_while_it_is_kept_out(tmp_path: Path) -> None:
    (tmp_path / "driver.lock").touch()
    with driver_kept_out(tmp_path) as who:
        assert who == ""
        process = driver(tmp_path)
        assert process.wait() == 1


def test_a_driver_starts_while_somebody_looks(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text("host process 1 since then\n", encoding="utf-8")
    with (tmp_path / LOCK).open(encoding="utf-8") as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_SH)  # as `status` does for a moment
        threading.Timer(0.1, fcntl.flock, (looked_at, fcntl.LOCK_UN)).start()
        with owned(tmp_path):
            assert f"process {os.getpid()} since" in driver_of(tmp_path)
