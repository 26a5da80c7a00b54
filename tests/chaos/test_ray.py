"""Ray as a sweep uses it: its own is closed to others and gone afterwards, a cluster that was there stays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sslbench.search.leftovers import TOKEN, TOKEN_VARIABLE
from tests.chaos.checker import check_nothing_left, check_whole
from tests.chaos.harness import place
from tests.chaos.processes import of_driver, wait_until, workers

pytestmark = pytest.mark.slow

# A cluster of one node with two CPUs, as an administrator starts one; prints its address and stays.
CLUSTER = """
import os, sys, ray
started = ray.init(address="local", num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1",
                   object_store_memory=100 * 2**20, _temp_dir=sys.argv[1], log_to_driver=False)
print(started.address_info["gcs_address"], flush=True)
sys.stdin.read()
ray.shutdown()
"""


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    with place(Path("/nowhere")) as here:
        environment = os.environ | {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
        process = subprocess.Popen(
            [sys.executable, "-c", CLUSTER, str(here.scratch)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.communicate(timeout=60)


def test_a_private_ray_wants_a_token_that_only_its_user_can_read(tmp_path: Path) -> None:
    with place(tmp_path) as here:
        driver = here.start("-o", "budget.confirm_seeds=1")
        wait_until(lambda: bool(workers(driver.pid)), seconds=120, what="a trial runs")
        started = of_driver(driver.pid)
        environments = [environment(process) for process in started]
        token = Path(environments[0][TOKEN_VARIABLE])
        mode = token.stat().st_mode & 0o777
        assert driver.wait() == 0, driver.output()
        check_nothing_left(here)
    assert [command for command in started.values() if "gcs_server" in command]
    assert token.name == TOKEN
    assert mode == 0o600
    assert {e.get("RAY_AUTH_MODE") for e in environments} == {"token"}
    assert {e.get(TOKEN_VARIABLE) for e in environments} == {str(token)}


def environment(process: int) -> dict[str, str]:
    entries = Path(f"/proc/{process}/environ").read_bytes().decode().split("\0")
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)}


def test_a_cluster_that_is_named_is_joined_and_left_as_it_was(
    tmp_path: Path, cluster: tuple[str, subprocess.Popen[str]]
) -> None:
    address, process = cluster
    with place(tmp_path, RAY_ADDRESS=address, RAY_AUTH_MODE="disabled") as here:
        driver = here.start()
        wait_until(lambda: here.n_ended() > 2 or driver.is_over(), seconds=200, what="trials end")
        started = of_driver(driver.pid)
        assert not [c for c in started.values() if "gcs_server" in c or "raylet" in c]
        assert driver.wait() == 0, driver.output()
        check_whole(here.home)
        check_nothing_left(here)
    assert process.poll() is None
