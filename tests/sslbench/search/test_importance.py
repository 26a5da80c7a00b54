"""Which options matter, on made-up searches of which the answer is known."""

import numpy as np

from sslbench.results import CurvePoint, Failure, TrialRecord
from sslbench.search.importance import MAX_TRIALS, MIN_TRIALS, arm_importance
from sslbench.search.space import Parameter

OBJECTIVE = "val/knn/macro_f1"
SPACE = {
    name: Parameter.model_validate(given)
    for name, given in {
        "pretext/mask": {"choice": ["random", "gene_programme", "none"]},
        "pretext/mask_rate": {
            "float": [0.05, 0.95],
            "when": {"pretext/mask": ["random", "gene_programme"]},
        },
        "training/learning_rate": {"log_float": [1e-4, 1e-2]},
        "encoder/dropout": {"float": [0.0, 0.5]},
    }.items()
}
TWO = ("training/learning_rate", "encoder/dropout")


def drawn_params(random):
    mask = str(random.choice(["random", "gene_programme", "none"]))
    rate = {} if mask == "none" else {"pretext/mask_rate": float(random.uniform(0.05, 0.95))}
    return {
        "pretext/mask": mask,
        **rate,
        "training/learning_rate": float(10 ** random.uniform(-4, -2)),
        "encoder/dropout": float(random.uniform(0.0, 0.5)),
    }


def record(i, params, *values, outcome="finished", arm="mae", stage="search", kind="diverged"):
    """A trial that reported `values` after 100, 200, … updates."""
    curve = tuple(
        CurvePoint(updates=100 * (at + 1), seconds=0, unix_ms=0, values={OBJECTIVE: float(value)})
        for at, value in enumerate(values)
    )
    return TrialRecord(
        uid=f"{arm}-{i}",
        arm=arm,
        stage=stage,
        attempt=1,
        outcome=outcome,
        params=params,
        config={},
        recipe="",
        dataset="",
        data_fingerprint="",
        objective=OBJECTIVE,
        objective_value=float(max(values)) if values else None,
        failure=Failure(kind=kind, message="nan") if outcome == "failed" else None,
        curve=curve,
        provenance={},
        started_unix_ms=i,
        ended_unix_ms=i,
    )


def searched(n, value, *, noise=0.05, seed=0):
    random = np.random.default_rng(seed)
    everyone = [drawn_params(random) for _ in range(n)]
    return [record(i, p, value(p) + random.normal(0, noise)) for i, p in enumerate(everyone)]


def by_name(found):
    return {one.parameter: one for one in found.parameters}


def test_the_option_that_matters_lies_above_all_others_with_its_interval():
    found = arm_importance(
        "mae",
        {n: SPACE[n] for n in TWO},
        searched(40, lambda p: np.log10(p["training/learning_rate"])),
        first_rung=100,
    )
    rate, dropout = by_name(found)["training/learning_rate"], by_name(found)["encoder/dropout"]
    assert found.foremost == rate
    assert rate.low > dropout.high
    assert rate.low > rate.chance
    assert rate.low <= rate.importance <= rate.high
    assert rate.importance > 0.9
    assert not dropout.stands_out


def test_every_decade_of_a_logarithmic_option_weighs_the_same():
    """All that matters is whether the rate is below 1e-3: on a linear scale that is a tenth of the range."""
    trials = searched(30, lambda p: float(p["training/learning_rate"] > 1e-3), noise=0.2, seed=1)
    log = {n: SPACE[n] for n in TWO}
    line = log | {"training/learning_rate": Parameter.model_validate({"float": [1e-4, 1e-2]})}
    on_log, on_line = (
        by_name(arm_importance("mae", space, trials, first_rung=100))["training/learning_rate"]
        for space in (log, line)
    )
    assert on_log.importance > 0.6
    assert on_log.importance > on_line.importance + 0.1


def test_an_option_without_effect_rarely_stands_out():
    """By its definition one in twenty does; three searches of three such options, with fixed seeds."""
    space = {n: SPACE[n] for n in ("pretext/mask", "training/learning_rate", "encoder/dropout")}
    outstanding = [
        one.stands_out
        for seed in range(3)
        for one in arm_importance(
            "mae", space, searched(12, lambda _: 0.0, seed=seed), first_rung=100
        ).parameters
    ]
    assert len(outstanding) == 9
    assert sum(outstanding) <= 1


def test_an_option_that_some_masks_lack_is_judged_among_the_trials_that_had_it():
    def value(params):
        return 5 * params.get("pretext/mask_rate", 0.2)

    found = by_name(arm_importance("mae", SPACE, searched(40, value), first_rung=100))
    n_rated = sum("pretext/mask_rate" in r.params for r in searched(40, value))
    assert 10 <= n_rated < 40
    assert found["pretext/mask_rate"].n_trials == n_rated
    assert found["pretext/mask_rate"].importance > 0.8
    assert found["pretext/mask_rate"].stands_out
    assert found["training/learning_rate"].n_trials == 40


def test_fewer_trials_than_the_minimum_give_a_reason_and_no_figure():
    trials = searched(MIN_TRIALS - 1, lambda p: p["encoder/dropout"])
    found = arm_importance("mae", SPACE, trials, first_rung=100)
    assert found.parameters == ()
    assert found.foremost is None
    assert found.missing[2] == (
        f"training/learning_rate: {MIN_TRIALS - 1} trials with a score tried it, and {MIN_TRIALS} are the least"
    )


def test_failed_and_confirm_trials_and_other_arms_do_not_count():
    trials = searched(MIN_TRIALS - 1, lambda p: p["encoder/dropout"])
    params = trials[0].params
    others = [
        record(90, params, 0.5, outcome="failed"),
        record(91, params, 0.5, outcome="failed", kind="collapsed"),
        record(92, params, 0.5, stage="confirm"),
        record(93, params, 0.5, arm="other"),
    ]
    assert not arm_importance("mae", SPACE, [*trials, *others], first_rung=100).parameters


def test_where_trials_were_stopped_all_are_judged_at_the_first_rung():
    """What comes after the rung depends on dropout alone, what was there before on the learning rate alone."""
    random = np.random.default_rng(0)
    trials = []
    for i in range(30):
        params = drawn_params(random)
        early = np.log10(params["training/learning_rate"])
        late = early + 100 * params["encoder/dropout"]
        values = (early,) if i % 3 == 0 else (early, late)
        trials.append(record(i, params, *values, outcome="stopped" if i % 3 == 0 else "finished"))
    space = {n: SPACE[n] for n in TWO}
    at_rung = arm_importance("mae", space, trials, first_rung=100)
    assert at_rung.updates == 100
    assert at_rung.parameters[0].parameter == "training/learning_rate"
    assert at_rung.parameters[0].n_trials == 30
    finished = [r for r in trials if r.outcome == "finished"]
    at_end = arm_importance("mae", space, finished, first_rung=100)
    assert at_end.updates is None
    assert at_end.parameters[0].parameter == "encoder/dropout"


def test_equal_scores_and_options_that_never_varied_have_a_reason():
    same = arm_importance("mae", SPACE, searched(20, lambda _: 0.5, noise=0.0), first_rung=100)
    assert not same.parameters
    assert "training/learning_rate: all trials have the same score" in same.missing
    trials = [r.model_copy(update={"params": {"encoder/dropout": 0.1}}) for r in searched(20, len)]
    fixed = arm_importance("mae", SPACE, trials, first_rung=100)
    assert "encoder/dropout: all trials had the same value" in fixed.missing


def test_the_same_records_give_the_same_figures_in_any_order():
    trials, space = searched(10, lambda p: p["encoder/dropout"]), {n: SPACE[n] for n in TWO}
    there, back = (arm_importance("mae", space, t, first_rung=100) for t in (trials, trials[::-1]))
    assert there == back
    assert len(there.parameters) == 2


def test_of_a_long_search_as_many_trials_are_taken_as_time_allows():
    trials = searched(MAX_TRIALS + 40, lambda p: p["encoder/dropout"])
    found = by_name(
        arm_importance(
            "mae",
            {"training/learning_rate": SPACE["training/learning_rate"]},
            trials,
            first_rung=100,
        )
    )
    assert found["training/learning_rate"].n_trials == MAX_TRIALS
