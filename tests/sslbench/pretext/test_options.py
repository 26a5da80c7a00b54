"""What a sweep file may say about views, checked without torch."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from sslbench.pretext._options import ViewOptions, chosen_augmentations
from sslbench.registry import AUGMENTATIONS

EVERY = pytest.mark.parametrize("name", AUGMENTATIONS.names())


def written_out(**given):
    """What is set after defaults are written out."""
    values = ViewOptions(**given).model_dump()
    return {option: value for option, value in values.items() if value is not None}


def test_without_an_augmentation_a_view_is_gene_dropout_at_its_default():
    default = AUGMENTATIONS.options("gene_dropout")().strength
    assert written_out() == {"gene_dropout": default, "gene_dropout_probability": 1.0}


def test_the_default_view_takes_the_probability_that_is_given_for_it():
    assert written_out(gene_dropout_probability=0.3)["gene_dropout_probability"] == 0.3


def test_a_named_augmentation_replaces_the_default_view():
    assert written_out(gene_swap=0.2) == {"gene_swap": 0.2, "gene_swap_probability": 1.0}


@EVERY
def test_a_strength_is_written_out_with_the_defaults_of_the_other_options(name):
    own = AUGMENTATIONS.options(name)().model_dump() | {"probability": 1.0}
    strength = own.pop("strength")
    expected = {name: strength} | {f"{name}_{option}": value for option, value in own.items()}
    assert written_out(**{name: strength}) == expected


@EVERY
def test_strength_zero_is_an_augmentation_that_is_used(name):
    assert written_out(**{name: 0})[name] == 0
    assert [chosen.name for chosen in chosen_augmentations(ViewOptions(**{name: 0}))] == [name]


@EVERY
def test_the_bounds_of_a_strength_are_those_of_the_augmentation(name):
    for strength in (-0.01, 10.01, float("nan")):
        with pytest.raises(ValidationError, match=name):
            ViewOptions(**{name: strength})


def test_the_bounds_of_other_options_hold_too():
    for option, value in (("gene_swap_probability", 1.1), ("neighbour_mixing_neighbours", 0)):
        with pytest.raises(ValidationError, match=option):
            ViewOptions(gene_swap=0.1, neighbour_mixing=0.1, **{option: value})


@pytest.mark.parametrize(
    "name, option, value",
    [
        ("gene_swap", "gene_swap_probability", 0.3),
        ("neighbour_mixing", "neighbour_mixing_neighbours", 5),
        ("programme_dropout", "programme_dropout_programmes", "coexpression"),
    ],
)
def test_an_option_of_an_augmentation_that_is_not_used_is_refused(name, option, value):
    for used in ({}, {"crossover": 0.2}):
        with pytest.raises(
            ValidationError, match=f"{option} is given without {name}; write {name}:"
        ):
            ViewOptions(**used, **{option: value})


def test_a_misspelt_augmentation_is_refused():
    with pytest.raises(ValidationError, match="gene_dropuot"):
        ViewOptions(gene_dropuot=0.5)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"gene_swap": 0.2, "crossover": 0.0, "crossover_probability": 0.4},
        {"neighbour_mixing": 0.3, "neighbour_mixing_neighbours": 3},
        {"programme_dropout": 0.3, "programme_dropout_programmes": "mine.gmt"},
    ],
)
def test_options_written_out_are_options_that_can_be_read_again(given):
    options = ViewOptions(**given)
    assert ViewOptions.model_validate(options.model_dump(mode="json")) == options


def test_chosen_augmentations_carry_strength_probability_and_their_own_options():
    options = ViewOptions(
        gene_swap=0.2, neighbour_mixing=0.4, neighbour_mixing_probability=0.5,
        neighbour_mixing_neighbours=7,
    )  # fmt: skip
    assert chosen_augmentations(options) == [
        ("gene_swap", 0.2, 1.0, {}),
        ("neighbour_mixing", 0.4, 0.5, {"neighbours": 7}),
    ]


@EVERY
def test_every_field_of_an_augmentation_says_that_it_may_be_left_out(name):
    fields = {n: f for n, f in ViewOptions.model_fields.items() if n.startswith(name)}
    assert {name, f"{name}_probability"} <= set(fields)
    assert all(f.description.endswith("; not used if left out") for f in fields.values())


def test_no_two_options_of_augmentations_have_one_name():
    names = [
        f"{name}_{option}".removesuffix("_strength")
        for name in AUGMENTATIONS.names()
        for option in (*AUGMENTATIONS.options(name).model_fields, "probability")
    ]
    assert len(names) == len(set(names))
    assert set(names) == set(ViewOptions.model_fields)


def test_view_options_are_checked_without_torch():
    code = (
        "import sys\n"
        "from sslbench.pretext._options import ViewOptions, chosen_augmentations\n"
        "chosen_augmentations(ViewOptions(gene_swap=0.1, neighbour_mixing=0.2))\n"
        "print(sorted({'torch', 'sklearn', 'scipy', 'numpy'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
