"""A private Ray lets in who holds its token, and nobody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# Starts Ray as a sweep does; says where it is and what its processes need; stays until its input ends.
HOST = """
import json, os, sys
from sslbench.search.cluster import cluster
with cluster():
    import ray
    said = {k: v for k, v in os.environ.items() if k.startswith("RAY_")}
    print(json.dumps([ray.get_runtime_context().gcs_address, said]), flush=True)
    sys.stdin.read()
"""
GUEST = """
import sys, ray
ray.init(address=sys.argv[1], log_to_driver=False, logging_level="error")
print("inside", ray.cluster_resources())
"""


def guest(address: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    others = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    return subprocess.Popen(
        [sys.executable, "-c", GUEST, address],
        env=others | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_who_has_no_token_or_another_one_is_not_let_in(tmp_path: Path) -> None:
    forged = tmp_path / "token"
    forged.write_text("0" * 64)
    host = subprocess.Popen(
        [sys.executable, "-c", HOST],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert host.stdout is not None
        address, needed = json.loads(host.stdout.readline())
        assert {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"} <= needed.keys()
        ours = guest(address, needed)
        without = {k: v for k, v in needed.items() if not k.startswith("RAY_AUTH")}
        strangers = [
            guest(address, without),
            guest(address, needed | {"RAY_AUTH_TOKEN_PATH": str(forged)}),
        ]
        assert "inside" in ours.communicate(timeout=120)[0]
        for stranger in strangers:
            output, error = stranger.communicate(timeout=120)
            assert stranger.returncode != 0
            assert "inside" not in output
            assert "token" in error
    finally:
        host.communicate(timeout=120)
