"""Sweeps become pairs of data set and task; what has a hole is listed and never averaged over."""

from itertools import combinations

import numpy as np

from sslbench.leaderboard.across.complete import holes_of, largest_complete, left_out_of
from sslbench.leaderboard.across.pairs import Pair, pairs_of
from tests.sslbench.leaderboard.across.fake_store import ranked

ARMS = {"masked": 0.8, "supervised": 0.7, "pca": 0.6}


def of(*sweeps) -> tuple[Pair, ...]:
    return pairs_of(sweeps)[0]


def test_sweeps_of_one_task_on_one_data_set_are_one_pair_with_the_methods_of_both() -> None:
    (pair,) = of(ranked("blood", ARMS), ranked("blood", {"byol": 0.75, "supervised": 0.65}))
    assert set(pair.entries) == {"masked/mlp", "supervised/mlp", "pca/mlp", "byol/mlp"}
    assert len(pair.sweeps) == 2


def test_scenario_task_and_share_of_labels_make_different_pairs() -> None:
    sweeps = [
        ranked("blood", ARMS),
        ranked("blood", ARMS, scenario="transfer"),
        ranked("blood", ARMS, label_fraction=0.1),
        ranked("blood", ARMS, objective="val/cross_modality/pearson_per_feature"),
        ranked("lung", ARMS),
    ]
    assert len(of(*sweeps)) == 5


def test_a_metric_that_tasks_mean_differently_is_named_with_its_task() -> None:
    integration = ranked("blood", ARMS, objective="val/integration/total")
    scib = ranked("blood", ARMS, objective="val/scib/total")
    assert [pair.setting.task for pair in of(integration, scib)] == [
        "integration, integration total",
        "scib, integration total",
    ]


def test_a_method_is_its_pretext_task_and_encoder_whatever_its_arm_is_called() -> None:
    called = ranked("blood", {"mine": 0.8, "supervised": 0.7}, pretexts={"mine": "masked"})
    (pair,) = of(called)
    assert pair.entries["masked/mlp"].arm == "mine"


def test_of_several_arms_of_a_method_the_best_by_validation_counts_whatever_test_says() -> None:
    several = ranked(
        "blood",
        {"one": 0.8, "two": 0.9, "supervised": 0.7},
        validation={"one": 0.6, "two": 0.5, "supervised": 0.5},
        pretexts={"one": "masked", "two": "masked"},
    )
    pairs, notes = pairs_of([several])
    assert pairs[0].entries["masked/mlp"].arm == "one"
    assert pairs[0].entries["masked/mlp"].test == 0.8
    assert "masked/mlp of 2" in notes[0]


def test_a_sweep_that_tested_on_other_donors_is_left_out_and_named() -> None:
    newer, older = (
        ranked("blood", ARMS, sweep="new", test_donors=("a",)),
        ranked("blood", {"byol": 0.9, "supervised": 0.7}, sweep="old", test_donors=("b",)),
    )
    pairs, notes = pairs_of([newer, older])
    assert "byol/mlp" not in pairs[0].entries
    assert "old tested on other donors" in notes[0]


def test_unequal_budgets_are_said_once_for_all_pairs() -> None:
    sweeps = [
        ranked(name, {ssl: 0.8, "supervised": 0.7}, sweep=ssl, budget_trials=n)
        for name in ("blood", "lung")
        for ssl, n in (("masked", 16), ("byol", 4))
    ]
    notes = [note for note in pairs_of(sweeps)[1] if "unequal" in note]
    assert notes == [
        "blood: macro F1; lung: macro F1: unequal search trials an arm: masked 16, byol 4"
    ]


def test_a_missing_method_is_a_hole_and_the_block_is_complete() -> None:
    pairs = of(
        ranked("a", ARMS),
        ranked("b", ARMS),
        ranked("c", {"masked": 0.8, "supervised": 0.7}),
        ranked("d", ARMS | {"byol": 0.9}),
    )
    block = largest_complete(pairs)
    assert block is not None
    assert all(method in pair.entries for method in block.methods for pair in block.pairs)
    assert block.methods == ("masked/mlp", "pca/mlp", "supervised/mlp")
    assert block.datasets == ("a", "b", "d")
    assert holes_of(pairs) == (
        "no score on 3 of 4 pairs (a: macro F1, b: macro F1, c: macro F1): byol/mlp",
        "no score on 1 of 4 pairs (c: macro F1): pca/mlp",
    )
    methods, left = left_out_of(block, pairs)
    assert methods.endswith("byol/mlp")
    assert left.endswith("c: macro F1")


def test_the_block_is_the_largest_of_all_that_can_be_chosen() -> None:
    random = np.random.default_rng(3)
    names = ["masked", "byol", "supervised", "pca", "random_init"]
    for _ in range(30):
        sweeps = []
        for i in range(5):
            kept = {name: float(random.random()) for name in names if random.random() < 0.7}
            sweeps.append(ranked(f"d{i}", kept))
        pairs = of(*sweeps)
        block = largest_complete(pairs)
        best = (False, -1)
        for size in range(2, len(names) + 1):
            for methods in combinations([f"{name}/mlp" for name in sorted(names)], size):
                whole = [pair for pair in pairs if set(methods) <= set(pair.entries)]
                if whole:
                    ssl = [m.startswith(("masked", "byol")) for m in methods]
                    best = max(best, (any(ssl) and not all(ssl), (size - 1) * (len(whole) - 1)))
        if block is None:
            assert best == (False, -1)
        else:
            ssl = [m.startswith(("masked", "byol")) for m in block.methods]
            freedom = (len(block.methods) - 1) * (len(block.pairs) - 1)
            assert (any(ssl) and not all(ssl), freedom) == best
