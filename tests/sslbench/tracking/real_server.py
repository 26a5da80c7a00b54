"""A real `mlflow server` on this machine alone, which can be killed at any moment and started again where it was."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sslbench.tracking.ui import ui_environment

LONGEST_START = 180.0


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class RealServer:
    """A server that keeps artefacts itself; `backend` is a database URI, by default a file in its folder."""

    def __init__(self, folder: Path, *, backend: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, free_port()
        self.backend = backend or f"sqlite:///{folder}/mlflow.db"
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it answers."""
        self.launch()
        self._await()

    def launch(self) -> None:
        """Start it; it answers some seconds later."""
        command = [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port),
            "--workers", "1", "--artifacts-destination", str(self.folder / "kept"),
        ]  # fmt: skip
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=ui_environment(os.environ, uri=self.backend), cwd=self.folder,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """The process that was started; it has children."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it and its children at once, as when its machine loses power."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()
        self._process = None

    def hang(self) -> None:
        """Let it go on listening and never answer."""
        self._signal(signal.SIGSTOP)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):  # it may have ended by itself
            os.killpg(self._process.pid, number)  # a group of its own

    def _await(self) -> None:
        deadline = time.monotonic() + LONGEST_START
        while True:
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=5).close()
                return
            except OSError:
                assert self._process is not None
                log = (self.folder / "server.log").read_text(encoding="utf-8")
                assert self._process.poll() is None, log
                assert time.monotonic() < deadline, f"{self.uri} did not come up:\n{log}"
                time.sleep(0.2)


@contextmanager
def real_server(folder: Path, *, backend: str | None = None) -> Iterator[RealServer]:
    """Have a running server, which goes with the block."""
    server = RealServer(folder, backend=backend)
    try:
        server.start()
        yield server
    finally:
        server.kill()
