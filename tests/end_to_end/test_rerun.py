"""A trial that a sweep ran on Ray comes out again bit by bit, in another process without Ray."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sslbench.cli.places import Home
from tests.sslbench.cli.finished import ledger_of

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]
FEW = ("-o", "budget.trials=1", "-o", "budget.confirm_seeds=1")


def sslbench(*words: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "RAY_"))}
    return subprocess.run(
        [sys.executable, "-m", "sslbench", *words, "--home", str(home)],
        cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip


def ledger_files(home: Path) -> dict[str, str]:
    found = [f for f in (home / "ledger").rglob("*") if f.is_file()]
    return {str(f): hashlib.sha256(f.read_bytes()).hexdigest() for f in found}


def test_every_kind_of_trial_of_the_smoke_sweep_comes_out_again(tmp_path: Path) -> None:
    swept = sslbench("sweep", "smoke", *FEW, home=tmp_path)
    assert swept.returncode == 0, swept.stderr
    before = ledger_files(tmp_path)
    records = ledger_of(Home(tmp_path)).records()
    assert {record.provenance["threads"] for record in records.values()} == {"1"}
    for arm, stage in (("mae", "search"), ("mae", "confirm"), ("supervised", "confirm")):
        uid = next(u for u, r in records.items() if (r.arm, r.stage) == (arm, stage))
        again = sslbench("rerun", uid, home=tmp_path)
        assert again.returncode == 0, again.stdout + again.stderr
        assert "bit-equal" in again.stdout
    assert ledger_files(tmp_path) == before
