"""A disk that is full is no fault of a trial: it leaves no record, and runs again once there is space."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError

from sslbench.ledger import Ledger
from sslbench.search import trainable
from tests.sslbench.tracking.fake_ledger import job_of

ROOT = Path(__file__).parents[3]
FULL, QUOTA = os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, FULL, "/scratch/x"),
        OSError(errno.EDQUOT, QUOTA),
        SafetensorError(f"I/O error: {FULL}"),
        SafetensorError(f"I/O error: {QUOTA} (os error 122)"),
    ],
    ids=repr,
)
def test_a_trial_that_meets_a_full_disk_leaves_no_record_and_says_so(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(trainable, "run_trial", full)
    monkeypatch.setattr(trainable.torch, "set_num_threads", lambda _: None)
    ledger, job = Ledger(tmp_path), job_of()
    ledger.plan(job)
    where = getattr(error, "filename", None)
    said: list[dict[str, Any]] = []
    monkeypatch.setattr(trainable.tune, "report", said.append)
    trainable.run_job(
        {"uid": job.uid},
        ledger=str(tmp_path),
        store="store",
        corpus=None,
        device="cpu",
        threads=1,
        stall_timeout_seconds=600.0,
        provenance={},
    )
    assert [report[trainable.NO_SPACE] for report in said] == [where or str(tmp_path)]
    assert ledger.record(job.uid) is None
    assert len(ledger.attempts(job.uid)) == 1


# Mounts a disk of 200 MB where only this process sees it, and fills it once a first trial has ended.
FILLED = """
set -e
mount -t tmpfs -o size=200m tmpfs {disk}
sweep="{python} -m sslbench sweep smoke --home {disk}/home -o budget.trials=2 -o budget.confirm_seeds=1"
$sweep > {log} 2>&1 & driver=$!
until ls {disk}/home/ledger/*/trials/*/*/result.json > /dev/null 2>&1; do sleep 0.2; kill -0 $driver; done
dd if=/dev/zero of={disk}/filler bs=1M count=150 2> /dev/null || true
code=0; wait $driver || code=$?
echo "ended $code"
code=0; $sweep >> {log} 2>&1 || code=$?
echo "still full $code"
rm {disk}/filler
$sweep >> {log} 2>&1
echo "with space 0"
"""


@pytest.mark.nightly
@pytest.mark.timeout(3000)  # three sweeps, on a machine that may be busy
def test_a_disk_that_fills_up_ends_a_sweep_with_one_error_and_the_same_command_goes_on(
    tmp_path: Path,
) -> None:
    alone = ["unshare", "--mount", "bash", "-c"]
    trial = subprocess.run(
        [*alone, f"mount -t tmpfs tmpfs {tmp_path}"], capture_output=True, check=False
    )
    if trial.returncode:
        pytest.skip("no disk can be mounted here: this wants root and unshare")
    log = tmp_path.with_suffix(".log")
    disk = tmp_path / "disk"
    disk.mkdir()
    script = FILLED.format(disk=disk, python=sys.executable, log=log)
    done = subprocess.run([*alone, script], cwd=ROOT, capture_output=True, text=True, check=False)
    told = log.read_text(encoding="utf-8")
    assert done.stdout.splitlines() == ["ended 4", "still full 4", "with space 0"], (
        done.stderr + told
    )
    assert told.count("error[S052] the disk is full") == 2
    assert "Traceback" not in told
    assert "verdict" in told
