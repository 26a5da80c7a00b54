from itertools import combinations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from sslbench.data.packed import dense
from sslbench.encoders.base import build_encoder
from sslbench.pretext._nt_xent import nt_xent
from sslbench.pretext._options import (
    MaskOptions,
    PredictorOptions,
    QueueOptions,
    ViewOptions,
    chosen_augmentations,
)
from sslbench.pretext.base import build_pretext
from sslbench.pretext.hybrid import Options
from sslbench.registry import MASKS, PRETEXTS
from sslbench.seeding import global_stream
from tests.factories import synthetic_cells


def built(name="hybrid", **options):
    cells = synthetic_cells()
    with global_stream(0, "init"):
        encoder = build_encoder("mlp", {"width": 16, "dropout": 0.0}, n_genes=cells.n_genes)
        return build_pretext(name, options, encoder=encoder, genes=cells.genes, label_names=())


def some_minibatch():
    return synthetic_cells().minibatch(np.arange(64))


def generator():
    return torch.Generator().manual_seed(0)


def seen_by_the_encoder(pretext, minibatch):
    seen = []
    pretext.encoder.register_forward_pre_hook(lambda module, args: seen.append(dense(args[0])))
    loss = pretext.loss(minibatch, generator())
    return seen, loss


@pytest.mark.parametrize("head", ["mse", "negative_binomial"])
@pytest.mark.parametrize("mask", ["random", "none"])
def test_without_invariance_it_is_the_mean_of_two_masked_losses(mask, head):
    hybrid = built(reconstruction_weight=1.0, invariance_weight=0.0, mask=mask, head=head)
    masked, minibatch, draws = built("masked", mask=mask, head=head), some_minibatch(), generator()
    expected = sum(masked.loss(minibatch, draws).value for _ in range(2)) / 2
    torch.testing.assert_close(hybrid.loss(minibatch, generator()).value, expected)


def test_without_reconstruction_it_is_the_contrastive_loss_of_two_masked_views():
    pretext = built(reconstruction_weight=0.0, invariance_weight=1.0, temperature=0.3)
    seen, loss = seen_by_the_encoder(pretext, some_minibatch())
    z, other = (pretext.projector(pretext.encoder(x)) for x in seen[:2])
    torch.testing.assert_close(loss.value, nt_xent(z, other, temperature=0.3))


def test_the_loss_is_the_sum_of_its_curves_by_their_weights():
    pretext = built(reconstruction_weight=0.7, invariance_weight=3.0)
    value, logs = pretext.loss(some_minibatch(), generator())
    expected = 0.7 * logs["reconstruction"] + 3.0 * logs["invariance"]
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_a_part_without_weight_learns_nothing(weights):
    pretext = built(reconstruction_weight=weights[0], invariance_weight=weights[1])
    pretext.loss(some_minibatch(), generator()).value.backward()
    parts = (pretext.reconstruction, pretext.projector)
    for weight, part in zip(weights, parts):
        sizes = [p.grad.abs().max().item() for p in part.parameters()]
        assert (max(sizes) > 0) == (weight > 0)
    assert pretext.encoder.network[2].weight.grad.abs().max() > 0


def test_each_view_has_a_mask_of_its_own():
    minibatch = some_minibatch()
    (first, second), loss = seen_by_the_encoder(built(mask_rate=0.4), minibatch)
    hidden = [(view == 0) & (minibatch.x > 0) for view in (first, second)]
    expressed = minibatch.x > 0
    fractions = [h[expressed].float().mean().item() for h in hidden]
    assert fractions == pytest.approx([0.4, 0.4], abs=0.05)
    both = (hidden[0] & hidden[1])[expressed].float().mean().item()
    assert both == pytest.approx(0.4**2, abs=0.05)
    assert loss.logs["hidden_fraction"].item() == pytest.approx(0.4, abs=0.05)


def test_what_is_reconstructed_is_the_cell_and_not_its_view():
    """All genes are dropped from both views; the loss is still that of the cells' own values."""
    pretext, minibatch = built(gene_dropout=1.0, invariance_weight=0.0), some_minibatch()
    for weight in (
        pretext.reconstruction.head.output.weight,
        pretext.reconstruction.head.output.bias,
    ):
        torch.nn.init.zeros_(weight)
    (first, second), loss = seen_by_the_encoder(pretext, minibatch)
    assert not first.any()
    assert not second.any()
    expected = minibatch.x.square().mean().item()
    assert loss.value.item() == pytest.approx(expected, rel=0.1)


def test_masks_alone_make_the_views_unless_an_augmentation_is_named():
    assert chosen_augmentations(Options()) == []
    assert [c.name for c in chosen_augmentations(Options(gene_dropout=0.2))] == ["gene_dropout"]
    assert [c.name for c in chosen_augmentations(ViewOptions())] == ["gene_dropout"]
    assert len(built().views.augmentations) == 0


def test_a_named_augmentation_is_applied_and_logged():
    loss = built(gene_dropout=0.3).loss(some_minibatch(), generator())
    assert loss.logs["change_gene_dropout"].item() == pytest.approx(0.3, abs=0.05)


def test_an_augmentations_option_without_its_strength_is_refused():
    with pytest.raises(ValidationError, match="gene_dropout_probability is given without"):
        Options(gene_dropout_probability=0.5)


def test_weights_that_are_both_zero_are_refused():
    with pytest.raises(ValidationError, match="must not both be 0"):
        Options(reconstruction_weight=0, invariance_weight=0)
    with pytest.raises(ValidationError, match="must not both be 0"):
        PRETEXTS.options("hybrid").model_validate(
            {"reconstruction_weight": 0, "invariance_weight": 0}
        )


def test_written_out_options_can_be_read_again():
    for mask in MASKS.names():
        for given in ({}, {"gene_dropout": 0.2}):
            options = Options(mask=mask, **given)
            assert Options.model_validate(options.model_dump(mode="json")) == options


def test_no_two_groups_of_options_have_a_field_of_the_same_name():
    """A class that has both would silently keep one of them."""
    groups = [MaskOptions, ViewOptions, PredictorOptions, QueueOptions]
    for one, other in combinations(groups, 2):
        assert not one.model_fields.keys() & other.model_fields.keys()


def test_what_the_mask_does_not_have_is_refused():
    with pytest.raises(ValidationError, match="mask 'none' has no mask_rate"):
        Options(mask="none", mask_rate=0.3)


def test_a_mask_with_programmes_must_be_prepared_first():
    pretext = built(mask="gene_programme")
    with pytest.raises(RuntimeError, match="prepare"):
        pretext.loss(some_minibatch(), generator())


def test_a_fraction_of_the_outputs_is_refused_where_it_has_no_effect():
    assert Options(head_fraction=0.5).head_fraction == 0.5
    with pytest.raises(ValidationError, match="head_fraction has no effect on augmented views"):
        Options(head_fraction=0.5, gene_dropout=0.2)
