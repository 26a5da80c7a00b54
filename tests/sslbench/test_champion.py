"""Which checkpoint is taken home: decided by validation, never by test."""

from __future__ import annotations

from typing import Any

import pytest

from sslbench.champion import champion
from sslbench.results import CurvePoint, TrialRecord, TrialResult

OBJECTIVE = "val/knn/macro_f1"


def record(
    arm: str, stage: str, seed: int, scores: dict[str, float], **changed: Any
) -> TrialRecord:
    point = CurvePoint(updates=1, seconds=1.0, unix_ms=1, values={OBJECTIVE: scores[OBJECTIVE]})
    result = TrialResult(
        scores=scores, best_updates=1, updates=1, seconds=1.0, curve=(point,), n_parameters=1,
        regime="self-supervised",
    )  # fmt: skip
    fields: dict[str, Any] = {
        "uid": f"{arm}-{stage}-{seed}", "arm": arm, "stage": stage, "attempt": 1,
        "outcome": "finished", "params": {}, "config": {"seed": seed}, "recipe": "r",
        "dataset": "d", "data_fingerprint": "f", "objective": OBJECTIVE,
        "objective_value": scores[OBJECTIVE], "result": result, "provenance": {},
        "started_unix_ms": 0, "ended_unix_ms": 1,
        "files": {"checkpoint/encoder.safetensors": "0"} if stage == "confirm" else {},
    }  # fmt: skip
    return TrialRecord(**(fields | changed))


def arm(name: str, *seeds: dict[str, float], **changed: Any) -> list[TrialRecord]:
    searched = record(name, "search", 0, {OBJECTIVE: 0.5})
    return [searched, *(record(name, "confirm", i, s, **changed) for i, s in enumerate(seeds, 1))]


def scores(knn: float, probe: float, test: float = 0.0) -> dict[str, float]:
    return {OBJECTIVE: knn, "val/linear_probe/macro_f1": probe, "test/knn/macro_f1": test}


def test_the_best_arm_by_mean_validation_gives_its_best_seed() -> None:
    lucky = arm("lucky", scores(0.9, 0.1), scores(0.1, 0.1))
    steady = arm("steady", scores(0.6, 0.1), scores(0.7, 0.1))
    best = champion(lucky + steady)
    assert best is not None
    assert (best.record.uid, best.protocol, best.n_seeds) == ("steady-confirm-2", "knn", 2)
    assert abs(best.validation - 0.65) < 1e-12


def test_each_arm_is_judged_by_its_best_protocol() -> None:
    best = champion(arm("a", scores(0.6, 0.2)) + arm("b", scores(0.1, 0.8)))
    assert best is not None
    assert (best.record.arm, best.protocol, best.validation) == ("b", "linear_probe", 0.8)


def test_a_projectors_score_does_not_count_because_the_model_embeds_without_it() -> None:
    projected = {"val/knn_projector/macro_f1": 0.99, "val/linear_probe_projector/macro_f1": 0.99}
    best = champion(arm("a", scores(0.6, 0.2) | projected) + arm("b", scores(0.7, 0.2)))
    assert best is not None
    assert (best.record.arm, best.protocol, best.validation) == ("b", "knn", 0.7)


def test_an_arm_that_was_chosen_by_its_projector_is_judged_by_its_encoder() -> None:
    objective = {"objective": "val/knn_projector/macro_f1"}
    seeds = [scores(0.6, 0.2), scores(0.4, 0.3)]
    records = [
        r.model_copy(update=objective)
        for r in arm("a", *(s | {objective["objective"]: v} for s, v in zip(seeds, (0.1, 0.9))))
    ]
    best = champion(records)
    assert best is not None
    assert (best.record.uid, best.protocol, best.validation) == ("a-confirm-1", "knn", 0.5)


def test_test_scores_change_nothing() -> None:
    best = champion(arm("a", scores(0.6, 0.2, test=0.0)) + arm("b", scores(0.5, 0.2, test=1.0)))
    assert best is not None
    assert best.record.arm == "a"


def test_a_protocol_that_some_seed_lacks_does_not_count() -> None:
    best = champion(arm("a", scores(0.6, 0.9), {OBJECTIVE: 0.5}))
    assert best is not None
    assert (best.protocol, best.record.uid) == ("knn", "a-confirm-1")


def test_another_metric_of_the_same_protocol_does_not_count() -> None:
    best = champion(arm("a", scores(0.6, 0.2) | {"val/knn/accuracy": 0.99}))
    assert best is not None
    assert best.validation == 0.6


def test_confirm_trials_of_another_recipe_or_without_a_checkpoint_do_not_count() -> None:
    assert champion(arm("a", scores(0.6, 0.2), recipe="other")) is None
    assert champion(arm("a", scores(0.6, 0.2), files={"predictions.parquet": "0"})) is None
    assert champion(arm("a", scores(0.6, 0.2), outcome="stopped")) is None


def test_the_order_of_the_records_is_irrelevant_and_ties_go_to_the_first() -> None:
    records = arm("b", scores(0.6, 0.2), scores(0.6, 0.2)) + arm("a", scores(0.6, 0.2))
    forwards, backwards = champion(records), champion(records[::-1])
    assert forwards is not None
    assert forwards == backwards
    assert forwards.record.uid == "a-confirm-1"


def test_nothing_confirmed_means_no_champion() -> None:
    assert champion([]) is None
    assert champion(arm("a")) is None


def test_a_fine_tuned_copy_does_not_count_because_it_is_not_what_is_taken_home() -> None:
    tuned = {"val/fine_tune/macro_f1": 0.99}
    best = champion(arm("a", scores(0.6, 0.2) | tuned) + arm("b", scores(0.7, 0.2)))
    assert best is not None
    assert (best.record.arm, best.protocol) == ("b", "knn")


def test_an_arm_that_was_tuned_on_fewer_labels_is_not_taken_home() -> None:
    few = [
        record.model_copy(update={"config": {**record.config, "label_fraction": 0.05}})
        for record in arm("a_at_5", scores(0.9, 0.9))
    ]
    best = champion([*few, *arm("a", scores(0.5, 0.5))])
    assert best is not None
    assert best.record.arm == "a"


def test_scores_of_one_name_but_of_another_meaning_do_not_count() -> None:
    objective = "val/integration/total"
    totals = {OBJECTIVE: 0.1, objective: 0.5, "val/scib/total": 0.9}
    other = {OBJECTIVE: 0.1, objective: 0.6, "val/scib/total": 0.1}
    records = arm("a", totals) + arm("b", other)
    best = champion(record.model_copy(update={"objective": objective}) for record in records)
    assert best is not None
    assert (best.record.arm, best.protocol) == ("b", "integration")


@pytest.mark.parametrize("pretext", ["random_init", "majority", "shuffled_labels"])
def test_a_control_is_never_taken_home_however_well_it_validates(pretext: str) -> None:
    config = {"seed": 1, "pretext": {"name": pretext}}
    best = champion(
        [
            *arm("control", scores(0.99, 0.99), config=config),
            *arm("mae", scores(0.5, 0.5)),
        ]
    )
    assert best is not None
    assert best.record.arm == "mae"


def test_a_classifier_without_an_embedding_of_its_own_is_not_taken_home() -> None:
    config = {"seed": 1, "pretext": {"name": "logistic_regression"}}
    best = champion(
        [*arm("classifier", scores(0.99, 0.99), config=config), *arm("mae", scores(0.5, 0.5))]
    )
    assert best is not None
    assert best.record.arm == "mae"
