"""The layer of packed rows against nn.Linear of dense ones; and its weights lie gene after gene for good."""

from copy import deepcopy
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from sslbench.encoders._gene_linear import GeneLinear
from sslbench.lars import LARS
from tests.factories import packed_rows

N_GENES, N_OUTPUTS = 30, 7
OPTIMISERS = {
    "adamw": partial(torch.optim.AdamW, lr=0.01, weight_decay=0.1, fused=True),
    "lars": partial(LARS, lr=0.01, weight_decay=0.1),
}
MATRICES = arrays(
    np.float64,
    st.tuples(st.integers(1, 6), st.integers(1, 8)),
    elements=st.sampled_from([0.0, 0.0, 0.0, 1.0, 9.21]),
)


def some_expression(n_cells=20):
    """A tenth of the entries is not zero; two cells and the last gene have none."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(n_cells, N_GENES, generator=generator, dtype=torch.float64) * 9
    x *= torch.rand(x.shape, generator=generator) < 0.1
    x[[0, -1]], x[:, -1] = 0, 0
    return x


def layer_and_plain(n_genes=N_GENES, n_outputs=N_OUTPUTS):
    """The layer, and an nn.Linear of the same weights."""
    torch.manual_seed(0)
    layer, plain = GeneLinear(n_genes, n_outputs).double(), nn.Linear(n_genes, n_outputs).double()
    plain.load_state_dict(layer.state_dict())
    assert plain.weight.is_contiguous()
    return layer, plain


def output_and_gradients(layer, x):
    layer.zero_grad()
    output = layer(x)
    torch.sin(output * torch.arange(1, output.shape[1] + 1)).sum().backward()
    return [output.detach(), layer.weight.grad.clone(), layer.bias.grad.clone()]


def assert_packed_equals_dense(x):
    layer, plain = layer_and_plain(n_genes=x.shape[1])
    expected = output_and_gradients(plain, x)
    for given_as in (packed_rows(x), x):
        for ours, theirs in zip(output_and_gradients(layer, given_as), expected):
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def lies_gene_after_gene(layer):
    return layer.weight.t().is_contiguous() and not layer.weight.is_contiguous()


@pytest.mark.parametrize(
    "x",
    [some_expression(), some_expression()[1:2], torch.zeros(5, N_GENES).double()],
    ids=["with empty cells", "one cell", "no counts at all"],
)
def test_packed_rows_give_output_and_gradients_of_dense_ones(x):
    assert_packed_equals_dense(x)


@given(MATRICES)
def test_any_packed_rows_give_output_and_gradients_of_dense_ones(matrix):
    assert_packed_equals_dense(torch.from_numpy(matrix))


def test_a_cell_without_counts_gives_the_bias():
    layer, _ = layer_and_plain()
    assert torch.equal(layer(packed_rows(some_expression()))[0], layer.bias)


def test_gradients_of_two_minibatches_add_up():
    layer, plain = layer_and_plain()
    for part in some_expression().split(10):
        layer(packed_rows(part)).square().sum().backward()
    plain(some_expression()).square().sum().backward()
    torch.testing.assert_close(layer.weight.grad, plain.weight.grad)
    torch.testing.assert_close(layer.bias.grad, plain.bias.grad)


def test_initial_weights_are_those_of_a_plain_layer_from_the_same_stream():
    torch.manual_seed(3)
    ours, after = GeneLinear(N_GENES, N_OUTPUTS), torch.get_rng_state()
    torch.manual_seed(3)
    plain = nn.Linear(N_GENES, N_OUTPUTS)
    assert torch.equal(ours.weight, plain.weight)
    assert torch.equal(ours.bias, plain.bias)
    assert torch.equal(after, torch.get_rng_state())


def test_the_weight_lies_gene_after_gene_whatever_is_done_to_the_layer():
    layer, plain = layer_and_plain()
    assert lies_gene_after_gene(layer)
    assert lies_gene_after_gene(deepcopy(layer))
    assert lies_gene_after_gene(layer.to(torch.float32))
    layer.load_state_dict(plain.state_dict())
    assert lies_gene_after_gene(layer)
    assert torch.equal(layer.weight, plain.weight.float())


def test_a_copy_of_the_state_brings_back_weights_and_layout():
    layer, _ = layer_and_plain()
    state = deepcopy(layer.state_dict())
    other = GeneLinear(N_GENES, N_OUTPUTS).double()
    other.load_state_dict(state)
    assert torch.equal(other.weight, layer.weight)
    assert lies_gene_after_gene(other)


@pytest.mark.parametrize("as_packed", [True, False], ids=["packed", "dense"])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_optimiser_steps_are_those_of_a_plain_layer(optimiser, as_packed):
    layer, plain = layer_and_plain()
    x = some_expression()
    for each, seen in ((layer, packed_rows(x) if as_packed else x), (plain, x)):
        steps = OPTIMISERS[optimiser](each.parameters())
        for _ in range(5):
            output_and_gradients(each, seen)
            steps.step()
    torch.testing.assert_close(layer.weight, plain.weight, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(layer.bias, plain.bias, rtol=1e-10, atol=1e-12)
    assert lies_gene_after_gene(layer)
    assert layer.weight.grad.t().is_contiguous()
