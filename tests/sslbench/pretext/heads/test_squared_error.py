"""Output layer and squared error in one pass against the plain formula, which makes everything (n_cells, n_genes)."""

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from sslbench.pretext.heads import _squared_error
from sslbench.pretext.heads._squared_error import BLOCK_GENES, packed_squared_error
from sslbench.pretext.heads.base import mean_over_scored
from sslbench.pretext.masks.base import PackedWeights
from tests.factories import packed_rows

N_INPUTS = 5


def some_target(n_cells, n_genes, *, density=0.1, dtype=torch.float64):
    """Expression of which most is zero; the first cell and the first gene have nothing else."""
    generator = torch.Generator().manual_seed(n_cells + n_genes)
    x = torch.rand(n_cells, n_genes, generator=generator, dtype=dtype) * 9
    x *= torch.rand(x.shape, generator=generator) < density
    x[0], x[:, 0] = 0, 0
    return packed_rows(x)


def hidden_at_random(target, rate=0.5):
    generator = torch.Generator().manual_seed(2)
    hidden = (torch.rand(len(target.value), generator=generator) < rate).to(target.value.dtype)
    return PackedWeights(pattern=target.pattern, listed=hidden, elsewhere=rate)


def weighed_at_random(target):
    generator = torch.Generator().manual_seed(3)
    listed = torch.rand(len(target.value), generator=generator).to(target.value.dtype) * 3
    return PackedWeights(pattern=target.pattern, listed=listed, elsewhere=0.7)


def all_alike(weight):
    return lambda target: PackedWeights(
        pattern=target.pattern, listed=torch.full_like(target.value, weight), elsewhere=0.25
    )


SCORED = {
    "hidden at random": hidden_at_random,
    "weighed at random": weighed_at_random,
    "everything hidden": all_alike(1.0),
    "nothing hidden": all_alike(0.0),
}


def some_layer(n_cells, n_genes, dtype=torch.float64):
    torch.manual_seed(0)
    output = nn.Linear(N_INPUTS, n_genes, dtype=dtype)
    return torch.randn(n_cells, N_INPUTS, dtype=dtype, requires_grad=True), output


def fused(decoded, output, target, scored):
    return packed_squared_error(decoded, output=output, target=target, scored=scored)


def plain(decoded, output, target, scored):
    return mean_over_scored((output(decoded) - target.dense()).square(), scored.dense())


def value_and_gradients(loss, target, scored, *, slope=1.0):
    decoded, output = some_layer(*target.shape, dtype=target.value.dtype)
    value = loss(decoded, output, target, scored)
    (value * slope).backward()
    return [value.detach(), decoded.grad, output.weight.grad, output.bias.grad]


def assert_same(target, scored, *, slope=1.0, rtol=1e-10, atol=1e-13):
    ours, theirs = (
        value_and_gradients(loss, target, scored, slope=slope) for loss in (fused, plain)
    )
    for a, b in zip(ours, theirs):
        torch.testing.assert_close(a, b, rtol=rtol, atol=atol)


@pytest.fixture
def blocks_of_eight(monkeypatch):
    monkeypatch.setattr(_squared_error, "BLOCK_GENES", 8)


@pytest.mark.parametrize("scored", SCORED.values(), ids=SCORED)
@pytest.mark.parametrize("n_genes", [1, 7, 8, 9, 16, 17, 40])
def test_loss_and_gradients_are_those_of_the_plain_formula(n_genes, scored, blocks_of_eight):
    target = some_target(12, n_genes)
    assert_same(target, scored(target))


@pytest.mark.parametrize(
    "n_genes", [BLOCK_GENES - 1, BLOCK_GENES, BLOCK_GENES + 1, 3 * BLOCK_GENES]
)
def test_so_they_are_around_the_real_size_of_a_block(n_genes):
    target = some_target(12, n_genes)
    assert_same(target, hidden_at_random(target))


@pytest.mark.parametrize("slope", [0.3, -2.0, 0.0])
def test_so_they_are_where_the_loss_is_a_part_of_another(slope, blocks_of_eight):
    target = some_target(12, 20)
    assert_same(target, hidden_at_random(target), slope=slope)


@pytest.mark.parametrize(
    ("n_cells", "density"), [(1, 0.3), (12, 0.0), (12, 1.0)], ids=["one cell", "no", "all"]
)
def test_so_they_are_of_one_cell_and_where_no_or_every_count_is_a_non_zero(
    n_cells, density, blocks_of_eight
):
    target = some_target(n_cells + 1, 20, density=density)
    for scored in (hidden_at_random, weighed_at_random):
        assert_same(target, scored(target))


def test_in_single_precision_they_are_close(blocks_of_eight):
    target = some_target(64, 300, dtype=torch.float32)
    assert_same(target, hidden_at_random(target), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("n_drawn", [1, 2, 3])
def test_sampled_outputs_give_the_whole_loss_and_gradients_on_average(
    n_drawn, monkeypatch, blocks_of_eight
):
    """Of four blocks, the last one shorter, each is drawn equally often."""
    target = some_target(12, 29)
    scored = weighed_at_random(target)

    def sampled(decoded, output, target, scored):
        return packed_squared_error(
            decoded, output=output, target=target, scored=scored, fraction=n_drawn / 4
        )

    turns = []
    for turn in range(4):
        order = torch.arange(4).roll(turn)
        monkeypatch.setattr(torch, "randperm", lambda n, order=order: order)
        turns.append(value_and_gradients(sampled, target, scored))
    for drawn, whole in zip(zip(*turns), value_and_gradients(plain, target, scored)):
        torch.testing.assert_close(torch.stack(drawn).mean(dim=0), whole, rtol=1e-10, atol=1e-13)


class Largest(TorchDispatchMode):
    """Notes how many numbers the largest result of any operation has."""

    n_numbers = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.n_numbers = max(self.n_numbers, result.numel())
        return result


def largest_array(loss):
    target = some_target(50, 400)
    scored = hidden_at_random(target)
    with Largest() as largest:
        value_and_gradients(loss, target, scored, slope=0.3)
    return largest.n_numbers


def test_no_array_of_all_cells_and_genes_is_made(monkeypatch):
    """The non-zeros and the weights are the largest: a tenth of the entries, and five for each gene."""
    monkeypatch.setattr(_squared_error, "BLOCK_GENES", 4)
    assert largest_array(plain) == 50 * 400
    assert largest_array(fused) < 0.15 * 50 * 400


def test_without_any_weight_loss_and_gradients_are_zero():
    target = packed_rows(torch.ones(3, 4, dtype=torch.float64))
    for found in value_and_gradients(fused, target, all_alike(0.0)(target)):
        torch.testing.assert_close(found, torch.zeros_like(found))


def test_a_second_pass_backward_is_refused():
    target = some_target(6, 9)
    decoded, output = some_layer(6, 9)
    value = fused(decoded, output, target, hidden_at_random(target))
    value.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="goes backward once"):
        value.backward()


def test_the_gradient_of_the_weights_is_handed_over_and_not_copied():
    target = some_target(6, 9)
    decoded, output = some_layer(6, 9)
    value = fused(decoded, output, target, hidden_at_random(target))
    place = value.grad_fn.gradients[1].data_ptr()
    value.backward()
    assert output.weight.grad.data_ptr() == place
