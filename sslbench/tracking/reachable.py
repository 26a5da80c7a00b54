"""Whether the store of the answers can be reached, asked within seconds and without importing MLflow."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen

from sslbench.discretion import without_password
from sslbench.errors import SetupError
from sslbench.tracking.store import SQLITE

PATIENCE_SECONDS = 2.0
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}


def reached(uri: str) -> str:
    """Return what was found at a tracking URI; nothing but that address is asked.

    Raises
    ------
    SetupError
        S034 if nothing answers there, or what answers is no MLflow store.
    """
    try:
        if uri.startswith(SQLITE):
            return _database(Path(uri.removeprefix(SQLITE)))
        if uri.startswith(("http://", "https://")):
            return _server(uri)
        return _port(uri)
    except (OSError, ValueError, HTTPException, sqlite3.Error) as error:
        raise SetupError(
            "the MLflow store cannot be reached",
            code="S034",
            where=without_password(uri),
            found=_reason(error),
            fix="start the server, or correct MLFLOW_TRACKING_URI; sweeps run without it, then: sslbench sync",
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, ValueError | HTTPException):  # its words hold parts of the address
        return "this is no address of a store"
    reason = error.reason if isinstance(error, URLError) else error
    return without_password(str(reason).partition("\n")[0]) or type(error).__name__


def _database(file: Path) -> str:
    if not file.exists():
        return "not there yet: the first sweep makes it"
    with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as db:
        ((revision,),) = db.execute("select version_num from alembic_version").fetchall()
        ((n_runs,),) = db.execute("select count(*) from runs").fetchall()
    return f"{n_runs:,} runs, schema {revision}"


def _server(uri: str) -> str:
    parts = urlsplit(uri)  # whether it answers needs no login, and urlopen takes one for a host
    address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    try:
        with urlopen(f"{address.rstrip('/')}/health", timeout=PATIENCE_SECONDS) as answer:
            return f"answers ({answer.status})"
    except HTTPError as error:  # it is there, and wants to know who asks
        if error.code in (401, 403):
            return f"answers ({error.code}: it wants to know who asks)"
        raise


def _port(uri: str) -> str:
    parts = urlsplit(uri)
    port = parts.port or _PORTS.get(parts.scheme.partition("+")[0])
    if not parts.hostname or port is None:
        return "a store that only MLflow can open; not asked"
    with socket.create_connection((parts.hostname, port), timeout=PATIENCE_SECONDS):
        return f"port {port} answers"
