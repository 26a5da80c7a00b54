"""From a run that MLflow shows back to the trial in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sslbench.tracking.client import connect
from sslbench.tracking.store import SQLITE


def uid_of_run(uri: str, run_id: str) -> str | None:
    """Return the uid of the trial that a run shows; None if the store knows no such run, or there is no store."""
    from mlflow.exceptions import MlflowException

    if uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).is_file():
        return None
    try:
        tags: Mapping[str, str] = connect(uri).get_run(run_id).data.tags
    except MlflowException:
        return None
    return tags.get("sslbench.uid")
