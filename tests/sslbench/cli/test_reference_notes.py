"""What knows no encoder stands beside the arms."""

from __future__ import annotations

from sslbench.cli.reference_notes import reference_notes
from sslbench.results import CurvePoint, TrialRecord, TrialResult
from sslbench.search.spec import SweepSpec

RIDGE = "test/cross_modality/expression_ridge_pearson_per_feature"
SPEC = SweepSpec.model_validate(
    {
        "question": "q",
        "dataset": {"name": "pbmc_cite"},
        "evaluation": [{"name": "cross_modality"}, {"name": "knn"}],
        "arms": {"mae": {"pretext": {"name": "masked"}, "encoder": {"name": "mlp"}}},
    }
)


def record(stage: str, scores: dict[str, float]) -> TrialRecord:
    objective = "val/cross_modality/pearson_per_feature"
    point = CurvePoint(updates=1, seconds=1.0, unix_ms=1, values={objective: 0.5})
    result = TrialResult(
        scores=scores, best_updates=1, updates=1, seconds=1.0, curve=(point,), n_parameters=1,
        regime="self-supervised",
    )  # fmt: skip
    return TrialRecord.model_validate(
        {
            "uid": stage, "arm": "mae", "stage": stage, "attempt": 1, "outcome": "finished", "params": {}, "config": {},
            "recipe": "r", "dataset": "d", "data_fingerprint": "f", "objective": objective, "objective_value": 0.5,
            "result": result, "provenance": {}, "started_unix_ms": 0, "ended_unix_ms": 1,
        }
    )  # fmt: skip


def test_their_mean_over_confirm_trials_is_told_and_nothing_of_the_search() -> None:
    records = [record("confirm", {RIDGE: 0.5}), record("confirm", {RIDGE: 0.7})]
    records.append(record("search", {RIDGE: 0.1}))
    (line,) = reference_notes(SPEC, records)
    assert line == (
        "beside cross_modality: ridge regression from all genes (Pearson per feature) reaches 0.600 on test cells"
    )


def test_without_confirm_trials_nothing_is_told() -> None:
    assert list(reference_notes(SPEC, [])) == []
