"""A Ray cluster on this machine as an administrator starts one: a head that stays, and a node that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.chaos.processes import family, send

OPEN = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
OBJECT_STORE_BYTES = 100 * 2**20
RAY = str(Path(sys.executable).with_name("ray"))

# Prints its address; then, for every number of nodes it is given, a line once so many are there; ends with its input.
HEAD = """
import sys, time, ray
started = ray.init(address="local", num_cpus=1, include_dashboard=False, _node_ip_address="127.0.0.1",
                   object_store_memory=int(sys.argv[2]), _temp_dir=sys.argv[1], log_to_driver=False)
print(started.address_info["gcs_address"], flush=True)
for n_nodes in sys.stdin:
    while sum(node["Alive"] for node in ray.nodes()) < int(n_nodes):
        time.sleep(0.1)
    print("joined", flush=True)
ray.shutdown()
"""


class Nodes:
    """A head and a second node, one CPU each."""

    def __init__(self, scratch: Path) -> None:
        self._head = subprocess.Popen(
            [sys.executable, "-c", HEAD, str(scratch), str(OBJECT_STORE_BYTES)],
            env=os.environ | OPEN,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._head.stdout is not None
        self.address = self._head.stdout.readline().strip()
        self._log = (scratch / "second-node.log").open("ab")
        self._second: subprocess.Popen[bytes] | None = None
        self.add()
        self._await(2)  # a driver that comes before it would run one trial at a time

    def _await(self, n_nodes: int) -> None:
        assert self._head.stdin is not None
        assert self._head.stdout is not None
        self._head.stdin.write(f"{n_nodes}\n")
        self._head.stdin.flush()
        assert self._head.stdout.readline().strip() == "joined"

    def add(self) -> None:
        """Start the second node, in place of one that was killed; it joins while others go on."""
        self._second = subprocess.Popen(
            [
                RAY, "start", f"--address={self.address}", "--num-cpus=1", "--block", "--disable-usage-stats",
                "--node-ip-address=127.0.0.1", f"--object-store-memory={OBJECT_STORE_BYTES}",
            ],
            env=os.environ | OPEN,
            stdout=self._log,
            stderr=self._log,
        )  # fmt: skip

    def processes(self) -> dict[int, str]:
        """Return all processes of both nodes."""
        return family(self._head.pid) | self.second()

    def second(self) -> dict[int, str]:
        """Return the processes of the node that can be killed."""
        return {} if self._second is None else family(self._second.pid)

    def head_is_up(self) -> bool:
        """Say whether the head has outlived whatever happened."""
        return self._head.poll() is None

    def end(self) -> None:
        """Kill the node, and let the head go in order."""
        for process in self.second():
            send(process, signal.SIGKILL)
        if self._second is not None:
            self._second.wait()
        self._log.close()
        self._head.communicate(timeout=120)
