"""The winner of a sweep as a registered model, per data set and task, and the way to take it away."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sslbench.champion import Champion
from sslbench.config import fingerprint
from sslbench.discretion import first_line, without_password
from sslbench.errors import SetupError
from sslbench.model_folder import refuse_foreign
from sslbench.tracking.client import connect, tracking_failures
from sslbench.tracking.experiment import Experiment

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

ALIAS = "champion"


def model_name(dataset: str, task: str) -> str:
    """Return the name under which the winner on a data set is registered."""
    return f"sslbench.{dataset}.{task}"


def register_champion(
    experiment: Experiment, best: Champion, *, folder: Path, task: str
) -> ModelVersion:
    """Register a checkpoint folder once, and give it the alias `champion` if none better holds it."""
    client, name = experiment.client, model_name(best.record.dataset, task)
    tags = _version_tags(experiment, best)
    _ensure_model(client, name)
    known = [
        version
        for version in client.search_model_versions(f"name = '{name}'")
        if version.tags.get("sslbench.uid") == tags["sslbench.uid"]
        and version.tags.get("sslbench.checkpoint") == tags["sslbench.checkpoint"]
    ]
    version = known[0] if known else _new_version(experiment, best, name, folder, tags)
    holder = _holder(client, name)
    if holder is None or (holder.version != version.version and _yields(holder, tags)):
        client.set_registered_model_alias(name, ALIAS, version.version)
    return version


def pull_from_registry(uri: str, name: str, to: Path) -> Path:
    """Download the checkpoint folder that holds the alias `champion` to `to`, in one step.

    Raises
    ------
    SetupError
        If something is at `to` already, the server cannot be reached, or there is no such model.
    RefusedError
        If what came holds anything but the plain files of a model: it is not kept.
    """
    if to.exists():
        raise SetupError(
            "a model folder is never overwritten", code="S012", where=str(to),
            fix="name another folder, or remove this one",
        )  # fmt: skip
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}.") as unfinished:
        try:
            found = _download(uri, name, to=Path(unfinished))
        except tracking_failures() as error:
            raise SetupError(
                f"the model {name!r} could not be fetched from the registry",
                code="S033",
                where=without_password(uri),
                found=first_line(error),
                fix="check MLFLOW_TRACKING_URI, or take the winner from this machine: sslbench pull",
            ) from error
        refuse_foreign(found)
        os.replace(found, to)
    return to


def _download(uri: str, name: str, *, to: Path) -> Path:
    client = connect(uri)
    from mlflow.artifacts import download_artifacts

    version = client.get_model_version_by_alias(name, ALIAS)
    # by the files' own address: MLflow looks `models:/…` up in its global registry, whatever it is told
    files = client.get_model_version_download_uri(name, version.version)
    folder = to / "model"
    return Path(download_artifacts(artifact_uri=files, dst_path=str(folder), tracking_uri=uri))


def _version_tags(experiment: Experiment, best: Champion) -> dict[str, str]:
    record = best.record
    files = {name: sha for name, sha in record.files.items() if name.startswith("checkpoint/")}
    regime = record.result.regime if record.result is not None else "unknown"
    return {
        **experiment.owner,
        "sslbench.uid": record.uid,
        "sslbench.checkpoint": fingerprint(files),
        "sslbench.arm": record.arm,
        "sslbench.encoder": str(record.config["encoder"]["name"]),
        "sslbench.regime": regime,
        "sslbench.protocol": best.protocol,
        "sslbench.validation": f"{best.validation:.6f}",
        "sslbench.data_fingerprint": record.data_fingerprint,
    }


def _ensure_model(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(
            name, description="Load it with `sslbench.load_encoder(folder)` after `sslbench pull`."
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _new_version(
    experiment: Experiment, best: Champion, name: str, folder: Path, tags: dict[str, str]
) -> ModelVersion:
    """Upload the folder as a logged model, then register it: a kill in between leaves only an unregistered one."""
    client, record = experiment.client, best.record
    # a trial whose plan is damaged has no run, and MLflow wants one
    shown = experiment.trials.get(record.uid) or experiment.parent
    assert shown is not None
    model = client.create_logged_model(
        experiment.experiment_id,
        name=f"{record.arm}-{tags['sslbench.encoder']}",
        source_run_id=shown.run_id,
        tags=tags,
        model_type="encoder",
    )
    client.log_model_artifacts(model.model_id, str(folder))
    client.finalize_logged_model(model.model_id, "READY")
    return client.create_model_version(
        name,
        source=model.artifact_location,
        run_id=shown.run_id,
        tags=tags,
        description=(
            f"{record.arm} ({tags['sslbench.regime']}), chosen by validation: "
            f"{best.protocol} {best.validation:.4f} over {best.n_seeds} seeds"
        ),
        model_id=model.model_id,
    )


def _holder(client: MlflowClient, name: str) -> ModelVersion | None:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, ALIAS)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def _yields(holder: ModelVersion, tags: dict[str, str]) -> bool:
    """Say whether the present champion gives way: to its own sweep, to newer data, or to a better validation score."""
    same_ledger = holder.tags.get("sslbench.ledger") == tags["sslbench.ledger"]
    same_data = holder.tags.get("sslbench.data_fingerprint") == tags["sslbench.data_fingerprint"]
    held = float(holder.tags.get("sslbench.validation", "-inf"))
    return same_ledger or not same_data or float(tags["sslbench.validation"]) > held
