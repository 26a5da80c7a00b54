"""A real PostgreSQL in a temporary folder, on this machine alone, stopped by its process id."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.sslbench.tracking.real_server import free_port

USER = "postgres"  # of Debian's package: PostgreSQL refuses to run as root
LONGEST_START = 120.0


def programs() -> Path:
    """Return the folder of initdb and postgres; skip the test where there is none."""
    pytest.importorskip("psycopg2", reason="the extra `dev` brings MLflow's PostgreSQL driver")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    return found[-1].parent


@contextmanager
def real_postgres() -> Iterator[str]:
    """Have a database; yields its URI, which has a password."""
    bin_folder, port, password = programs(), free_port(), secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="pg-") as place:
        folder = Path(place)
        (folder / "password").write_text(password, encoding="utf-8")
        if os.getuid() == 0:
            for path in (folder, folder / "password"):
                shutil.chown(path, USER)
        data = str(folder / "data")
        _run(
            bin_folder / "initdb", "-D", data, "--no-sync", "--auth", "scram-sha-256",
            "--username", "mlflow", "--pwfile", str(folder / "password"),
        )  # fmt: skip
        settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"]
        options = [word for setting in settings for word in ("-c", setting)]
        log = (folder / "log").open("wb")
        process = subprocess.Popen(
            [bin_folder / "postgres", "-D", data, "-p", str(port), *options],
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True, cwd="/", user=_user(),
        )  # fmt: skip
        try:
            _await(bin_folder, port, process, folder / "log")
            yield f"postgresql+psycopg2://mlflow:{password}@127.0.0.1:{port}/postgres"
        finally:
            process.send_signal(signal.SIGINT)  # ends its connections, then itself
            process.wait(timeout=60)
            log.close()


def _user() -> str | None:
    return USER if os.getuid() == 0 and pwd.getpwnam(USER) else None


def _run(program: Path, *arguments: str) -> None:
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, cwd="/", user=_user(), check=False
    )
    assert done.returncode == 0, done.stderr


def _await(bin_folder: Path, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + LONGEST_START
    ready = [bin_folder / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    while subprocess.run(ready, check=False).returncode != 0:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < deadline, "PostgreSQL did not come up"
        time.sleep(0.2)
