"""Which model of a sweep is taken home: the best confirmed checkpoint by validation alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sslbench.metric_versions import other_versions
from sslbench.registry import EVALUATIONS, PRETEXTS
from sslbench.results import MACRO_F1, MetricKey, TrialRecord, chosen_trial


class Champion(NamedTuple):
    """The confirm trial whose checkpoint is taken home, and why it is this one."""

    record: TrialRecord
    protocol: str  # the evaluation task by which its arm is best on validation
    validation: float  # mean of the arm's validation score under `protocol`, over its seeds
    n_seeds: int


def champion(records: Iterable[TrialRecord]) -> Champion | None:
    """Return the best confirmed checkpoint by validation alone: the best arm, then the best of its seeds.

    An arm is judged by the mean over the seeds of its chosen recipe, under the protocol where that mean is best, in
    the metric of the objective; another task's score of that name counts only if it is macro F1, which all tasks mean
    alike. Scores of a projector and of a fine-tuned copy do not count: the model that is taken home embeds without
    them. Nor do arms that learnt from fewer of the labels than others, nor trials on other data or scored by another
    version of a task than the one confirmed last. Arms of every regime count if they left a checkpoint, but for
    controls and for classifiers without an embedding of their own; None if none did. Ties go to the arm that comes
    first by name and to the lowest seed. Test scores are never looked at.
    """
    given = _scored_alike(records)
    most = max((_label_fraction(record) for record in given), default=1.0)
    known = [r for r in given if _label_fraction(r) == most and _is_worth_taking(r)]
    arms = sorted({record.arm for record in known})
    found = [best for arm in arms if (best := _best_of_arm(known, arm)) is not None]
    return max(found, key=lambda best: best.validation, default=None)


def _scored_alike(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the records that can be compared with the confirm trial that ended last."""
    given = sorted(records, key=lambda record: (record.ended_unix_ms, record.uid))
    last = next((record for record in reversed(given) if record.stage == "confirm"), None)
    if last is None:
        return given
    return [
        record
        for record in given
        if record.data_fingerprint == last.data_fingerprint
        and not other_versions(record.metric_versions, last.metric_versions)
    ]


def _best_of_arm(records: list[TrialRecord], arm: str) -> Champion | None:
    chosen = chosen_trial(records, arm)
    if chosen is None:
        return None
    kept = [r for r in records if r.arm == arm and r.recipe == chosen.recipe and _has_checkpoint(r)]
    kept.sort(key=lambda r: (r.config["seed"], r.uid))
    means = _means_by_protocol(kept, objective=MetricKey.parse(chosen.objective))
    if not means:
        return None
    key = max(sorted(means), key=lambda name: means[name])
    best = max(kept, key=lambda r: _scores(r)[str(key)])
    return Champion(best, key.task, means[key], len(kept))


def _has_checkpoint(record: TrialRecord) -> bool:
    confirmed = record.stage == "confirm" and record.outcome == "finished"
    return confirmed and any(name.startswith("checkpoint/") for name in record.files)


def _label_fraction(record: TrialRecord) -> float:
    return float(record.config.get("label_fraction", 1.0))


def _is_worth_taking(record: TrialRecord) -> bool:
    name = record.config.get("pretext", {}).get("name")
    if name not in PRETEXTS.names():
        return True
    return bool(PRETEXTS.constant(name, "embeds") and not PRETEXTS.constant(name, "is_control"))


def _means_by_protocol(
    records: list[TrialRecord], *, objective: MetricKey
) -> dict[MetricKey, float]:
    """Return the mean validation score of every protocol that all the records were scored by."""
    names = [{MetricKey.parse(name) for name in _scores(r)} for r in records]
    shared = set.intersection(*names) if names else set()
    return {
        key: sum(_scores(r)[str(key)] for r in records) / len(records)
        for key in shared
        if key.split == "val" and key.metric == objective.metric and not key.of_projector
        if key.metric == MACRO_F1 or key.evaluation == objective.evaluation
        if not _trains_encoder(key.evaluation)
    }


def _trains_encoder(task: str) -> bool:
    return task in EVALUATIONS.names() and bool(EVALUATIONS.constant(task, "trains_encoder"))


def _scores(record: TrialRecord) -> dict[str, float]:
    return record.result.scores if record.result is not None else {}
