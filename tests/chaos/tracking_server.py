"""A team's MLflow server that can be killed, and can come back with what it had."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

from sslbench.tracking.ui import ui_environment
from tests.chaos.processes import family, send, wait_until


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class TrackingServer:
    """`mlflow server` on 127.0.0.1 with a database and artefacts of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.database = folder / "mlflow.db"
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.launch()
        wait_until(self._answers, seconds=300, what="the tracking server answers")

    def launch(self) -> None:
        """Start it; it answers some seconds later."""
        self.folder.mkdir(exist_ok=True)
        command = [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port),
            "--workers", "1", "--backend-store-uri", f"sqlite:///{self.database}",
            "--artifacts-destination", str(self.folder / "kept"),
        ]  # fmt: skip
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=ui_environment(os.environ), cwd=self.folder, stdout=log, stderr=log
            )

    def processes(self) -> list[int]:
        """Return the server's processes; none if it is down."""
        return [] if self._process is None else sorted(family(self._process.pid))

    def end(self) -> None:
        """Kill it, if it runs."""
        for process in self.processes():
            send(process, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.uri}/health", timeout=5).close()
        except OSError:
            return False
        return True
