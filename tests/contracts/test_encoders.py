"""Every encoder keeps the contract of encoders/base.py; a new file is covered the moment it exists."""

import pytest
import torch

from sslbench.encoders.base import build_encoder, embed_expression
from sslbench.registry import ENCODERS, defining_module
from sslbench.seeding import global_stream
from tests.factories import packed_rows

N_GENES = 30
# Small networks; and batch normalisation wherever it can be chosen, for it is the hard case.
# Encoders without weights, which have no gradients and as many dimensions as genes.
WITHOUT_WEIGHTS = {"identity"}
WITH_WEIGHTS = [name for name in ENCODERS.names() if name not in WITHOUT_WEIGHTS]
SMALL = {"width": 16, "depth": 2, "embedding_dim": 6, "norm": "batch"}


def small_options(name):
    known = ENCODERS.options(name).model_fields
    return {key: value for key, value in SMALL.items() if key in known}


def encoder_after_some_steps(name, **options):
    """Batch statistics must differ from their initial values for the embedding test to bite."""
    with global_stream(0, "init"):
        encoder = build_encoder(name, small_options(name) | options, n_genes=N_GENES)
        for _ in range(3):
            encoder(torch.rand(20, N_GENES) * 4 + 1)
    return encoder


@pytest.mark.parametrize("name", ENCODERS.names())
def test_options_are_documented_and_readable_without_torch(name):
    light, imported = ENCODERS.options(name), defining_module(ENCODERS.load(name)).Options
    assert light.model_json_schema() == imported.model_json_schema()
    assert all(field.description for field in imported.model_fields.values())
    assert ENCODERS.summary(name)


@pytest.mark.parametrize("name", ENCODERS.names())
def test_embedding_has_the_shape_that_the_encoder_announces(name):
    has_weights = name not in WITHOUT_WEIGHTS
    encoder = build_encoder(name, {"embedding_dim": 6} if has_weights else {}, n_genes=N_GENES)
    z = embed_expression(encoder, torch.rand(9, N_GENES))
    assert (encoder.n_genes, encoder.embedding_dim) == (N_GENES, 6 if has_weights else N_GENES)
    assert z.shape == (9, encoder.embedding_dim)
    assert bool(list(encoder.parameters())) == has_weights
    assert z.dtype == torch.float32
    assert z.isfinite().all()


@pytest.mark.parametrize("name", ENCODERS.names())
def test_embedding_is_the_same_in_any_order_any_minibatch_or_alone(name):
    encoder = encoder_after_some_steps(name)
    x = torch.rand(24, N_GENES)
    together = embed_expression(encoder, x)
    alone = torch.cat([embed_expression(encoder, row.unsqueeze(0)) for row in x])
    parts = torch.cat([embed_expression(encoder, part) for part in x.split(7)])
    backwards = embed_expression(encoder, x.flip(0)).flip(0)
    for other in (alone, parts, backwards):
        torch.testing.assert_close(other, together, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ENCODERS.names())
def test_embedding_does_not_touch_the_encoder(name):
    encoder = encoder_after_some_steps(name)
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    embed_expression(encoder, torch.rand(8, N_GENES) * 10)
    assert encoder.training
    assert all(torch.equal(before[key], value) for key, value in encoder.state_dict().items())


@pytest.mark.parametrize("name", ENCODERS.names())
def test_the_same_init_stream_gives_bit_equal_weights(name):
    first, second = (encoder_after_some_steps(name).state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_every_weight_gets_a_gradient(name):
    encoder = encoder_after_some_steps(name)
    encoder(torch.rand(8, N_GENES)).pow(3).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())


def sparse_expression():
    """Most entries are zero, as counts are; one cell and one gene have nothing else."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(12, N_GENES, generator=generator) * 9
    x *= torch.rand(x.shape, generator=generator) < 0.2
    x[0], x[:, 0] = 0, 0
    return x


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_packed_expression_gives_the_embedding_and_gradients_of_dense_expression(name):
    encoder, x = encoder_after_some_steps(name).eval(), sparse_expression()
    results = []
    for given_as in (x, packed_rows(x)):
        encoder.zero_grad()
        z = encoder(given_as)
        z.square().sum().backward()
        results.append([z.detach(), *(p.grad.clone() for p in encoder.parameters())])
    for of_dense, of_packed in zip(*results):
        torch.testing.assert_close(of_packed, of_dense, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ENCODERS.names())
def test_packed_expression_trains_with_the_draws_of_dense_expression(name):
    encoder, x = encoder_after_some_steps(name).train(), sparse_expression()
    outputs = []
    for given_as in (x, packed_rows(x)):
        with global_stream(0, "dropout"):
            outputs.append(encoder(given_as))
    torch.testing.assert_close(*outputs, rtol=1e-4, atol=1e-4)
