"""A trial's configuration is complete, strict and named by a stable fingerprint."""

import json
import math
import os
import subprocess
import sys

import pytest
from pydantic import ValidationError

from sslbench.config import (
    EncoderChoice,
    OptionsError,
    TrainingOptions,
    TrialConfig,
    canonical_json,
    fingerprint,
)
from sslbench.errors import ConfigError

PLAIN = {
    "dataset": {"name": "pbmc_cite"},
    "pretext": {"name": "masked"},
    "encoder": {"name": "mlp"},
    "evaluation": [{"name": "knn", "k": 7}],
}


def config(**changes):
    return TrialConfig.model_validate(PLAIN | changes)


def cause(caught):
    """The refusal of a component's own options, inside pydantic's error."""
    return caught.value.errors()[0]["ctx"]["error"]


@pytest.mark.parametrize(
    "change",
    [
        {"sead": 1},
        {"dataset": {"name": "x", "n_genes": 3}},
        {"training": {"learning_rat": 0.1}},
    ],
)
def test_unknown_keys_are_errors(change):
    with pytest.raises(ValidationError, match="Extra inputs"):
        config(**change)


@pytest.mark.parametrize("part", ["pretext", "encoder"])
def test_unknown_options_of_a_component_are_errors(part):
    with pytest.raises(ValidationError) as caught:
        config(**{part: PLAIN[part] | {"maskrate": 0.5}})
    assert isinstance(cause(caught), OptionsError)
    assert "maskrate" in str(cause(caught))


def test_an_unknown_component_names_the_nearest():
    with pytest.raises(ConfigError, match="unknown encoder 'mpl'") as caught:
        config(encoder={"name": "mpl"})
    assert "'mlp'" in (caught.value.fix or "")


def test_a_component_without_a_name_is_an_error():
    with pytest.raises(ValidationError, match="needs a name"):
        config(encoder={"depth": 2})


@pytest.mark.parametrize("value", [math.nan, math.inf, -1, 0])
def test_a_learning_rate_that_is_not_a_positive_number_is_an_error(value):
    with pytest.raises(ValidationError):
        TrainingOptions(learning_rate=value)


def test_defaults_are_written_out():
    written = config().model_dump(mode="json")
    assert written["evaluation"] == [{"name": "knn", "k": 7, "of": "encoder"}]
    assert written["training"]["learning_rate"] == 1e-3
    assert set(written["encoder"]) > {"name"}
    assert written["pretext"]["mask_rate"] == 0.5


def test_a_default_given_or_left_out_is_the_same_configuration():
    defaults = EncoderChoice.model_validate({"name": "mlp"}).options
    assert config(encoder={"name": "mlp", **defaults}) == config()


def test_a_configuration_comes_back_from_its_json_unchanged():
    text = config(seed=3).model_dump_json()
    assert TrialConfig.model_validate_json(text) == config(seed=3)


def test_a_configuration_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        config().seed = 4


def test_the_fingerprint_does_not_depend_on_the_order_of_keys():
    backwards = dict(reversed(PLAIN.items()))
    backwards["evaluation"] = [{"k": 7, "name": "knn"}]
    assert TrialConfig.model_validate(backwards).fingerprint() == config().fingerprint()


def test_the_fingerprint_is_the_same_in_every_process():
    code = (
        "import sys, json; from sslbench.config import TrialConfig\n"
        "print(TrialConfig.model_validate(json.loads(sys.argv[1])).fingerprint())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code, json.dumps(PLAIN)],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("0", "1234")
    }
    assert seen == {config().fingerprint()}


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"encoder": {"name": "mlp", "dropout": 0.31}},
        {"training": {"max_updates": 7}},
        {"evaluation": [{"name": "knn", "k": 8}]},
        {"evaluation": [{"name": "knn", "k": 7, "of": "projector"}]},
        {"training": {"optimiser": "lars"}},
        {"objective": "val/knn/accuracy"},
        {"dataset": {"name": "pbmc_cite", "n_top_genes": 9}},
    ],
)
def test_whatever_can_change_a_score_changes_the_fingerprint(change):
    assert config(**change).fingerprint() != config().fingerprint()


def test_the_recipe_ignores_the_seed_and_nothing_else():
    assert config(seed=1).recipe() == config(seed=2).recipe()
    assert config(training={"max_updates": 7}).recipe() != config().recipe()


def test_flat_has_one_level_of_plain_values_under_the_names_that_sweeps_use():
    flat = config(seed=5).flat()
    assert flat["pretext/name"] == "masked"
    assert flat["training/learning_rate"] == 1e-3
    assert flat["seed"] == 5
    assert all(isinstance(v, str | int | float | bool | None) for v in flat.values())


def test_canonical_json_refuses_what_has_no_single_spelling():
    assert canonical_json({"b": 1, "a": [1.0, None]}) == '{"a":[1.0,null],"b":1}'
    with pytest.raises(ValueError):
        canonical_json(math.nan)


def test_fingerprints_are_sixteen_hex_digits_of_sha256():
    # printf '{"a":1}' | sha256sum
    assert fingerprint({"a": 1}) == "015abd7f5cc57a2d"
