"""Every sweep file asks a question that can be answered: loadable, finite, with its baselines."""

import math
from pathlib import Path

import pytest

from sslbench.data.catalogue import dataset_names
from sslbench.registry import PRETEXTS
from sslbench.search.controls import controls, with_controls
from sslbench.search.defaults import default_params
from sslbench.search.spec import load_sweep, plan_line
from sslbench.search.study import ArmStudy

SWEEPS = sorted((Path(__file__).parents[2] / "sweeps").rglob("*.yaml"))
MASKING = next(path for path in SWEEPS if path.stem == "mae_masking")
EVERY = pytest.mark.parametrize("path", SWEEPS, ids=[path.stem for path in SWEEPS])

# Sweeps that may do without a control, each with its reason.
WITHOUT_CONTROLS: dict[str, str] = {}
SHARED = {"encoder/dropout", "training/learning_rate"}


def test_there_are_sweeps():
    assert "mae_masking" in [path.stem for path in SWEEPS]


@EVERY
def test_a_sweep_asks_a_question(path):
    question = load_sweep(path).question
    assert "?" in question
    assert "\n" not in question


@EVERY
def test_a_sweep_has_a_supervised_arm_pca_and_the_controls(path):
    spec = with_controls(load_sweep(path))
    pretexts = {arm.pretext["name"] for arm in spec.arms.values()}
    rivals = {arm.regime for arm in spec.arms.values() if not arm.is_control}
    assert "supervised" in rivals
    if path.stem not in WITHOUT_CONTROLS:
        assert {"pca", "random_init"} <= pretexts
    if spec.objective.metric.endswith("/macro_f1"):
        assert set(controls()) <= pretexts


# Sweeps of cell types that may do without the strongest classical baseline, each with its reason.
WITHOUT_REGRESSION = {"smoke": "its scores mean nothing"} | {
    path.stem: "its arms are the sides of a published claim"
    for path in SWEEPS
    if path.parent.name == "claims"
}


@EVERY
def test_a_sweep_of_cell_types_has_the_regression_on_genes_with_the_same_space(path):
    spec = load_sweep(path)
    if not spec.objective.metric.endswith("/macro_f1") or path.stem in WITHOUT_REGRESSION:
        return
    arm, of_masking = (s.arms["logistic_regression"] for s in (spec, load_sweep(MASKING)))
    assert (arm.pretext, arm.encoder, arm.search) == (
        of_masking.pretext, of_masking.encoder, of_masking.search,
    )  # fmt: skip


# Sweeps whose arms may differ in what they choose of the loop or the encoder, each with its reason.
UNLIKE: dict[str, str] = {"smoke": "a minute is too short to search anything twice"}


@EVERY
def test_arms_of_one_encoder_choose_its_dropout_and_the_learning_rate_from_the_same_values(path):
    """Else a gain of one arm over another could be a gain of tuning."""
    by_encoder: dict[str, set[str]] = {}
    for arm in load_sweep(path).arms.values():
        if PRETEXTS.constant(arm.pretext["name"], "gradient_free"):
            continue
        shared = {a: p for a, p in arm.search.items() if a in SHARED}
        by_encoder.setdefault(arm.encoder["name"], set()).add(repr(shared))
    alike = all(len(spaces) == 1 for spaces in by_encoder.values())
    assert alike or path.stem in UNLIKE


@EVERY
def test_a_sweep_runs_on_a_data_set_of_the_catalogue(path):
    assert load_sweep(path).dataset.name in dataset_names()


@EVERY
def test_a_sweep_has_a_finite_plan_with_several_fresh_seeds(path):
    spec = load_sweep(path)
    assert 0 < spec.n_search_trials() <= len(spec.arms) * spec.budget.trials
    assert math.isfinite(spec.n_search_trials())
    assert spec.budget.confirm_seeds >= 3 or path.stem == "smoke"
    assert plan_line(spec).startswith(next(iter(spec.arms)))


@EVERY
def test_every_arm_of_a_sweep_can_be_asked_for_trials_that_can_be_run(path):
    spec = with_controls(load_sweep(path))
    for name, arm in spec.arms.items():
        n_trials, default = arm.n_trials(spec.budget), default_params(spec, name)
        study = ArmStudy(name, arm.search, n_trials=n_trials, seed=spec.seed, default=default)
        asked = list(iter(study.ask, None))
        assert asked[0] == default
        assert len(asked) == arm.n_trials(spec.budget)
        for params in asked:
            config = spec.config(name, params, seed=spec.seed)
            flat = config.flat()
            assert {key: flat[key] for key in params} == params


@EVERY
def test_a_trial_of_a_sweep_has_at_most_forty_parameters_to_look_at(path):
    spec = load_sweep(path)
    for name in spec.arms:
        flat = spec.config(name, {}, seed=0).flat()
        assert len([value for value in flat.values() if value is not None]) <= 40
