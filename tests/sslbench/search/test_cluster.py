"""A private Ray lets in who holds its token, and nobody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
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


LONGEST_SECONDS = 120.0


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """A function that runs Python code with an environment in which nothing else is said to Ray."""
    others = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    started: list[subprocess.Popen[str]] = []

    def begin(code: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            cwd=ROOT,
            env=others | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in reversed(
        started
    ):  # the host last, and in good order: what it started ends with it
        if process is not started[0]:
            process.kill()
        process.communicate(timeout=LONGEST_SECONDS)


@pytest.mark.slow
def test_who_has_no_token_or_another_one_is_not_let_in(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    forged = tmp_path / "token"
    forged.write_text("0" * 64)
    host = start(HOST)
    assert host.stdout is not None
    address, needed = json.loads(host.stdout.readline())
    assert {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"} <= needed.keys()
    ours = start(GUEST, address, **needed)
    without = {k: v for k, v in needed.items() if not k.startswith("RAY_AUTH")}
    strangers = [
        start(GUEST, address, **without),
        start(GUEST, address, **needed | {"RAY_AUTH_TOKEN_PATH": str(forged)}),
    ]
    assert "inside" in ours.communicate(timeout=LONGEST_SECONDS)[0]
    for stranger in strangers:
        output, error = stranger.communicate(timeout=LONGEST_SECONDS)
        assert stranger.returncode != 0
        assert "inside" not in output
        assert "token" in error
