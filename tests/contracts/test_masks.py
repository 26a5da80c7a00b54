"""Every mask keeps the contract of pretext/masks/base.py; a new file is covered the moment it exists."""

import pytest
import torch

from sslbench.registry import MASKS, defining_module

N_CELLS, N_GENES = 40, 60
# `none` is the control: a plain autoencoder shows the encoder everything that it scores.
SHOWS_WHAT_IT_SCORES = {"none"}


def some_programmes():
    programmes = torch.zeros(6, N_GENES, dtype=torch.bool)
    for p in range(6):
        programmes[p, 7 * p : 7 * p + 12] = True
    return programmes


def draw(name, *, x=None, seed=0):
    function = MASKS.load(name)
    module = defining_module(function)
    return function(
        torch.zeros(N_CELLS, N_GENES) if x is None else x,
        options=module.Options(),
        programmes=None if module.NEEDS is None else some_programmes(),
        tf_genes=torch.arange(6) * 9 if module.NEEDS == "tf" else None,
        generator=torch.Generator().manual_seed(seed),
    )


@pytest.mark.parametrize("name", MASKS.names())
def test_options_are_documented_and_readable_without_torch(name):
    light, imported = MASKS.options(name), defining_module(MASKS.load(name)).Options
    assert light.model_json_schema() == imported.model_json_schema()
    assert all(field.description for field in imported.model_fields.values())
    assert MASKS.summary(name)


@pytest.mark.parametrize("name", MASKS.names())
def test_needs_is_declared(name):
    assert defining_module(MASKS.load(name)).NEEDS in (None, "gene", "tf")


@pytest.mark.parametrize("name", MASKS.names())
def test_hidden_and_scored_have_the_shape_of_the_expression(name):
    mask = draw(name)
    assert mask.hidden.shape == mask.scored.shape == (N_CELLS, N_GENES)
    assert mask.hidden.dtype == torch.bool
    assert mask.scored.sum() > 0
    assert (mask.scored.float() >= 0).all()


@pytest.mark.parametrize("name", sorted(set(MASKS.names()) - SHOWS_WHAT_IT_SCORES))
def test_scored_genes_are_never_visible(name):
    for seed in range(20):
        mask = draw(name, seed=seed)
        assert not ((mask.scored > 0) & ~mask.hidden).any()
        assert (mask.scored > 0).any(dim=1).all()


@pytest.mark.parametrize("name", MASKS.names())
def test_draws_come_from_the_generator_alone(name):
    torch.manual_seed(1)
    first = draw(name, seed=3)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = draw(name, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.hidden, second.hidden)
    assert torch.equal(first.scored, second.scored)


@pytest.mark.parametrize("name", sorted(set(MASKS.names()) - {"none"}))
def test_another_seed_gives_another_mask(name):
    assert not torch.equal(draw(name, seed=1).hidden, draw(name, seed=2).hidden)


@pytest.mark.parametrize("name", MASKS.names())
def test_expression_is_not_changed_and_does_not_matter(name):
    x = torch.rand(N_CELLS, N_GENES)
    kept = x.clone()
    with_values = draw(name, x=x)
    assert torch.equal(x, kept)
    assert torch.equal(with_values.hidden, draw(name).hidden)


@pytest.mark.parametrize("name", MASKS.names())
def test_a_single_cell_can_be_masked(name):
    mask = draw(name, x=torch.zeros(1, N_GENES))
    assert mask.hidden.shape == (1, N_GENES)
