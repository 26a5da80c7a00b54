"""How MLflow is talked to: quietly, with short time-outs, and with a known list of ways in which it may fail."""

from __future__ import annotations

import functools
import logging
import os
import sqlite3
from typing import TYPE_CHECKING

from sslbench.errors import SetupError

if TYPE_CHECKING:
    from mlflow import MlflowClient

# One retry and ten seconds: with MLflow's own defaults a single call to a dead server blocks for minutes.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_AGENT_HINT": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "GIT_PYTHON_REFRESH": "quiet",
}


@functools.cache
def quiet_mlflow() -> None:
    """Import MLflow (1.4 s) with its chatter off; what the person has set in the environment stays."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow  # noqa: F401  sets its own loggers to INFO

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # these tell of what we catch and say in one line: one in whole tracebacks, one with the whole address
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


def connect(uri: str) -> MlflowClient:
    """Return a client of the tracking store and the model registry at `uri`."""
    quiet_mlflow()
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@functools.cache
def tracking_failures() -> tuple[type[Exception], ...]:
    """Return what a dead, full, locked or foreign store raises; anything else is a fault of ours."""
    quiet_mlflow()
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    return (
        MlflowException,
        RequestException,
        SQLAlchemyError,
        sqlite3.Error,
        OSError,
        SetupError,
    )
