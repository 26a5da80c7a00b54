"""What an arm is without a search: its options as they stand where the space has them, else what is nearest."""

import pytest

from sslbench.search.defaults import default_params
from sslbench.search.spec import SweepSpec


def params_of(search, *, pretext=None, encoder=None, training=None, common=None):
    arm = {
        "pretext": {"name": "masked", **(pretext or {})},
        "encoder": {"name": "mlp", **(encoder or {})},
        "training": training or {},
        "search": search,
    }
    plain = {
        "question": "Which?",
        "dataset": {"name": "pbmc_cite"},
        "evaluation": [{"name": "knn"}],
        "training": common or {},
        "arms": {"mae": arm},
    }
    return default_params(SweepSpec.model_validate(plain), "mae")


@pytest.mark.parametrize(
    "address, parameter, expected",
    [
        ("training/learning_rate", {"log_float": [1e-4, 1e-2]}, 1e-3),  # as it stands
        ("training/learning_rate", {"log_float": [2e-3, 1e-2]}, 2e-3),  # the nearest end
        ("encoder/dropout", {"float": [0.2, 0.5]}, 0.2),
        ("encoder/depth", {"int": [1, 4]}, 2),
        ("encoder/width", {"log_int": [16, 64]}, 64),
        ("encoder/embedding_dim", {"choice": [16, 64, 128]}, 64),
        ("encoder/embedding_dim", {"choice": [8, 48, 300]}, 48),  # the nearest number
        ("pretext/head", {"choice": ["poisson", "mse"]}, "mse"),
        ("pretext/head", {"choice": ["poisson", "negative_binomial"]}, "poisson"),  # the first
        ("pretext/mask_rate", {"float": [0.1, 0.9]}, 0.5),  # what the mask fills in
    ],
)
def test_a_default_is_taken_where_it_lies_in_the_space(address, parameter, expected):
    found = params_of({address: parameter})
    assert found == {address: expected}
    assert type(found[address]) is type(expected)


@pytest.mark.parametrize(
    "parameter, expected",
    [
        ({"float": [0.2, 0.6]}, 0.4),
        ({"log_float": [0.01, 1.0]}, 0.1),
        ({"choice": [0.3, 0.1]}, 0.3),
    ],
)
def test_an_option_without_default_takes_the_middle_in_its_own_scale_or_the_first(
    parameter, expected
):
    address = "pretext/gaussian_noise"
    found = params_of({address: parameter}, pretext={"name": "byol"})
    assert found[address] == pytest.approx(expected)


def test_an_option_that_means_nothing_by_itself_takes_the_middle():
    """A probability is refused without its augmentation, which is asked for below it."""
    search = {
        "pretext/gaussian_noise_probability": {"float": [0.2, 0.6]},
        "pretext/gaussian_noise": {"float": [0.1, 0.5]},
    }
    found = params_of(search, pretext={"name": "byol"})
    assert found == {
        "pretext/gaussian_noise_probability": pytest.approx(0.4),
        "pretext/gaussian_noise": pytest.approx(0.3),
    }


def test_what_the_sweep_file_fixes_beside_searching_it_is_the_default():
    search = {"training/learning_rate": {"log_float": [1e-4, 1e-2]}}
    assert params_of(search, common={"learning_rate": 3e-3}) == {"training/learning_rate": 3e-3}
    own = params_of(search, common={"learning_rate": 3e-3}, training={"learning_rate": 5e-3})
    assert own == {"training/learning_rate": 5e-3}


def test_only_what_is_asked_under_the_defaults_above_it_has_one():
    search = {
        "pretext/mask": {"choice": ["isolated_programme", "random"]},
        "pretext/mask_rate": {"float": [0.1, 0.4], "when": {"pretext/mask": ["random"]}},
        "pretext/programmes": {
            "choice": ["bundled", "coexpression"],
            "when": {"pretext/mask": ["isolated_programme"]},
        },
    }
    assert params_of(search) == {"pretext/mask": "random", "pretext/mask_rate": 0.4}


def test_an_arm_that_searches_nothing_is_its_default():
    assert params_of({}) == {}
