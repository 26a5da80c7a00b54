"""Every head keeps the contract of pretext/heads/base.py; a new file is covered the moment it exists."""

from dataclasses import replace

import pytest
import torch

from sslbench.data.cells import CellBatch
from sslbench.pretext.heads.base import build_head
from sslbench.pretext.masks.base import PackedWeights
from sslbench.registry import HEADS, defining_module
from tests.factories import packed_rows

N_CELLS, N_GENES, N_INPUTS = 64, 80, 5


def some_minibatch(n_cells=N_CELLS):
    counts = torch.poisson(
        torch.rand(n_cells, N_GENES, generator=torch.Generator().manual_seed(0)) * 3,
        generator=torch.Generator().manual_seed(1),
    )
    size = counts.sum(dim=1)
    return CellBatch(
        raw=counts,
        library_size=size,
        row_ids=torch.arange(n_cells),
        label=None,
    )


def some_head(name):
    torch.manual_seed(0)
    return build_head(name, {}, n_inputs=N_INPUTS, n_genes=N_GENES), torch.randn(N_CELLS, N_INPUTS)


def some_scored(rate, seed=0):
    generator = torch.Generator().manual_seed(1000 + seed)
    return torch.rand(N_CELLS, N_GENES, generator=generator) < rate


@pytest.mark.parametrize("name", HEADS.names())
def test_options_are_documented_and_readable_without_torch(name):
    light, imported = HEADS.options(name), defining_module(HEADS.load(name)).Options
    assert light.model_json_schema() == imported.model_json_schema()
    assert all(field.description for field in imported.model_fields.values())
    assert HEADS.summary(name)


@pytest.mark.parametrize("name", HEADS.names())
def test_loss_is_one_finite_number_with_finite_gradients(name):
    head, decoded = some_head(name)
    loss = head.loss(decoded.requires_grad_(), some_minibatch(), some_scored(0.5))
    loss.backward()
    assert loss.shape == ()
    assert loss.isfinite()
    assert decoded.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in head.parameters())


@pytest.mark.parametrize("name", HEADS.names())
def test_the_target_of_an_unscored_gene_changes_neither_loss_nor_gradient(name):
    head, decoded = some_head(name)
    minibatch, scored = some_minibatch(), some_scored(0.3)
    # The library size is an offset and stays: only the targets of unscored genes change.
    changed = replace(
        minibatch,
        view=minibatch.x.where(scored, minibatch.x + 5),
        raw=minibatch.counts.where(scored, minibatch.counts + 7),
    )
    values, gradients = [], []
    for cells in (minibatch, changed):
        head.zero_grad()
        loss = head.loss(decoded, cells, scored)
        loss.backward()
        values.append(loss.item())
        gradients.append([p.grad.clone() for p in head.parameters()])
    assert values[0] == values[1]
    assert all(torch.equal(a, b) for a, b in zip(*gradients))


@pytest.mark.parametrize("name", HEADS.names())
def test_the_target_of_a_scored_gene_changes_the_loss(name):
    head, decoded = some_head(name)
    minibatch, scored = some_minibatch(), some_scored(0.3)
    changed = replace(minibatch, view=minibatch.x + 5 * scored, raw=minibatch.counts + 7 * scored)
    assert head.loss(decoded, minibatch, scored) != head.loss(decoded, changed, scored)


@pytest.mark.parametrize("name", HEADS.names())
def test_the_scale_of_the_loss_is_independent_of_the_rate(name):
    """The mean over many random scored sets is the loss over everything, at every rate."""
    head, decoded = some_head(name)
    minibatch = some_minibatch()
    everything = head.loss(decoded, minibatch, some_scored(1.0)).item()
    for rate in (0.05, 0.5, 0.95):
        values = [
            head.loss(decoded, minibatch, some_scored(rate, seed)).item() for seed in range(40)
        ]
        assert sum(values) / 40 == pytest.approx(everything, rel=0.02)


@pytest.mark.parametrize("name", HEADS.names())
def test_weights_scale_out_and_boolean_scores_are_weights_of_one(name):
    head, decoded = some_head(name)
    minibatch, scored = some_minibatch(), some_scored(0.4)
    plain = head.loss(decoded, minibatch, scored)
    torch.testing.assert_close(head.loss(decoded, minibatch, 0.25 * scored), plain)


@pytest.mark.parametrize("name", HEADS.names())
def test_nothing_scored_gives_zero_loss_and_zero_gradient(name):
    head, decoded = some_head(name)
    loss = head.loss(decoded, some_minibatch(), some_scored(0.0))
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad.abs().max() == 0 for p in head.parameters())


@pytest.mark.parametrize("name", HEADS.names())
def test_cells_without_counts_and_very_deep_cells_stay_finite(name):
    head, decoded = some_head(name)
    minibatch = some_minibatch()
    depth = torch.tensor([0.0, 1e4]).repeat(N_CELLS // 2).unsqueeze(1)
    counts = minibatch.counts * depth
    size = counts.sum(dim=1)
    extreme = replace(minibatch, raw=counts, library_size=size)
    loss = head.loss(decoded * 50, extreme, some_scored(0.5))
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad.isfinite().all() for p in head.parameters())


def weights_of(rows, *, elsewhere=0.3):
    generator = torch.Generator().manual_seed(5)
    listed = torch.rand(len(rows.value), generator=generator)
    return PackedWeights(pattern=rows.pattern, listed=listed, elsewhere=elsewhere)


@pytest.mark.parametrize("slope", [1.0, 0.3])
@pytest.mark.parametrize("name", HEADS.names())
def test_the_loss_of_packed_counts_is_that_of_dense_ones_in_value_and_gradients(name, slope):
    head, decoded = some_head(name)
    dense = some_minibatch()
    minibatch = replace(dense, raw=packed_rows(dense.counts))
    scored = weights_of(minibatch.raw)
    results = []
    for loss, cells, weights in (
        (head.loss, dense, scored.dense()),
        (head.packed_loss, minibatch, scored),
    ):
        head.zero_grad()
        seen = decoded.clone().requires_grad_()
        value = loss(seen, cells, weights)
        (value * slope).backward()
        results.append([value.detach(), seen.grad, *(p.grad.clone() for p in head.parameters())])
    for of_dense, of_packed in zip(*results):
        torch.testing.assert_close(of_packed, of_dense, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", HEADS.names())
def test_the_expected_expression_is_finite_and_neither_drawn_nor_of_other_cells(name):
    head, decoded = some_head(name)
    minibatch = some_minibatch()
    expected = head.expression(decoded, minibatch)
    assert expected.shape == (N_CELLS, N_GENES)
    assert expected.isfinite().all()
    assert torch.equal(head.expression(decoded, minibatch), expected)
    first = replace(
        minibatch,
        raw=minibatch.raw[:7],
        library_size=minibatch.library_size[:7],
        row_ids=minibatch.row_ids[:7],
    )
    torch.testing.assert_close(head.expression(decoded[:7], first), expected[:7])


@pytest.mark.parametrize("name", HEADS.names())
def test_a_head_that_has_learnt_expects_more_of_the_genes_that_are_expressed_more(name):
    """Every cell decodes to the same values, so that one value a gene is all that can be learnt."""
    head, _ = some_head(name)
    rate = torch.linspace(0.1, 5.0, N_GENES).expand(N_CELLS, N_GENES)
    counts = torch.poisson(rate, generator=torch.Generator().manual_seed(2))
    minibatch = replace(some_minibatch(), raw=counts, library_size=counts.sum(dim=1))
    decoded, everything = torch.ones(N_CELLS, N_INPUTS), torch.ones_like(counts)
    optimiser = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(300):
        optimiser.zero_grad()
        head.loss(decoded, minibatch, everything).backward()
        optimiser.step()
    expected = head.expression(decoded, minibatch)[0].detach()
    assert torch.corrcoef(torch.stack([expected, minibatch.x.mean(dim=0)]))[0, 1] > 0.9
