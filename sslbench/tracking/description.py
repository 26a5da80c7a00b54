"""What MLflow says of a trial: a readable name, at most forty parameters, tags, metrics. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sslbench.discretion import without_home
from sslbench.ledger import Job
from sslbench.results import Stage, TrialRecord

MAX_PARAMS = 40
_MAX_NAME, _MAX_SHOWN, _MAX_VALUE = 60, 4, 500
STATUS = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}


def run_name(job: Job, *, order: int) -> str:
    """Return e.g. `mae/mlp random 0.45 #6`; the arm comes first because the list cuts names off."""
    shown = [_short(key, value) for key, value in job.params.items()][:_MAX_SHOWN]
    if job.stage == "confirm":
        shown = ["confirm", f"seed {job.config.seed}"]
    name = " ".join([f"{job.arm}/{job.config.encoder.name}", *shown])
    return f"{name[:_MAX_NAME]} #{order}"


def _short(key: str, value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return f"{key.rpartition('/')[2]}={value}"
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def run_params(job: Job) -> dict[str, str]:
    """Return at most forty flat parameters, the searched ones before the fixed ones; absent values are left out."""
    flat = {key: value for key, value in job.config.flat().items() if value is not None}
    keys = sorted(flat, key=lambda key: (key not in job.params, key))[:MAX_PARAMS]
    return {key: without_home(str(flat[key]))[:_MAX_VALUE] for key in sorted(keys)}


def planned_tags(job: Job) -> dict[str, str]:
    """Return what is known of a trial before it ends."""
    config = job.config
    return {
        "sslbench.stage": job.stage,
        "sslbench.arm": job.arm,
        "sslbench.pretext": config.pretext.name,
        "sslbench.encoder": config.encoder.name,
        "sslbench.scenario": config.scenario,
        "sslbench.dataset": config.dataset.name,
        "sslbench.recipe": config.recipe(),
        "sslbench.fingerprint": config.fingerprint(),
        "sslbench.data_fingerprint": job.data_fingerprint,
    }


def ended_tags(record: TrialRecord) -> dict[str, str]:
    """Return what is known once a trial has ended; regime and cost only if it has a result."""
    named = {key: record.provenance[key] for key in ("commit", "dirty") if key in record.provenance}
    tags = {f"sslbench.{key}": str(value) for key, value in named.items()}
    tags["sslbench.attempt"] = str(record.attempt)
    if record.result is not None:
        tags["sslbench.regime"] = record.result.regime
        tags["sslbench.seconds"] = f"{record.result.seconds:.2f}"
        tags["sslbench.n_parameters"] = str(record.result.n_parameters)
        tags["sslbench.best_updates"] = str(record.result.best_updates)
    if record.failure is not None:
        tags["sslbench.failure"] = record.failure.kind
        why = without_home(record.failure.message)
        tags["mlflow.note.content"] = f"**{record.failure.kind}**: {why}"
    return tags


def shown_values(values: Mapping[str, float], *, stage: Stage) -> dict[str, float]:
    """Return the values without test scores, unless the trial confirms: nobody can sort a search by them."""
    return {
        key: value
        for key, value in values.items()
        if stage == "confirm" or not key.startswith("test/")
    }


def final_values(record: TrialRecord) -> dict[str, float]:
    """Return the scores of the kept weights that may be shown; nothing for a trial without a result."""
    return shown_values(record.result.scores, stage=record.stage) if record.result else {}
