from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.sparse import csr_matrix

from sslbench.config import TrainingOptions
from sslbench.data.cells import Cells, CountsMatrix
from sslbench.encoders.base import build_encoder
from sslbench.errors import ConfigError
from sslbench.pretext.base import build_pretext
from sslbench.pretext.masked import Options
from sslbench.pretext.masks.base import Mask
from sslbench.registry import MASKS, PRETEXTS
from sslbench.seeding import global_stream
from sslbench.training import fit

N_GENES = 40
GENES = tuple(f"g{g}" for g in range(N_GENES))
RATELESS = ["isolated_programme", "none", "programme_to_tf"]


def some_cells(n_cells=120):
    """Three types of cells, each with ten genes of its own that rise and fall together."""
    rng = np.random.default_rng(0)
    rate = np.full((n_cells, N_GENES), 0.3)
    for cell in range(n_cells):
        start = 10 * (cell % 3)
        rate[cell, start : start + 10] = 5 * rng.gamma(3, 1 / 3)
    return Cells(
        counts=CountsMatrix.from_scipy(csr_matrix(rng.poisson(rate))),
        row_ids=np.arange(n_cells),
        genes=GENES,
        label=None,
        label_names=(),
        donor=np.full(n_cells, ""),
        batch=np.full(n_cells, ""),
    )


def masked(seed=0, **options):
    with global_stream(seed, "init"):
        encoder = build_encoder("mlp", {"width": 32, "dropout": 0.0}, n_genes=N_GENES)
        return build_pretext("masked", options, encoder=encoder, genes=GENES, label_names=())


def everything(cells):
    return cells.minibatch(np.arange(len(cells)))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def shows(pretext, mask):
    """Let a pretext draw one given mask whatever the generator says."""
    pretext.reconstruction.mask_function = lambda x, **_: mask
    pretext.reconstruction.mask_non_zeros = None
    return pretext


def half_hidden(n_cells=120):
    hidden = torch.rand(n_cells, N_GENES, generator=generator(7)) < 0.5
    return Mask(hidden=hidden, scored=hidden)


@pytest.mark.parametrize("mask", RATELESS)
@pytest.mark.parametrize("given", [{"mask_rate": 0.3}, {"mask_per": "cell"}])
def test_what_a_mask_does_not_have_is_refused(mask, given):
    (option,) = given
    with pytest.raises(ValidationError, match=f"mask '{mask}' has no {option}"):
        Options(mask=mask, **given)


def test_random_has_a_rate_but_no_per():
    with pytest.raises(ValidationError, match="mask 'random' has no mask_per"):
        Options(mask="random", mask_per="minibatch")


def test_defaults_of_the_mask_are_written_out():
    assert Options().mask_rate == 0.5
    assert Options(mask="gene_programme").mask_per == "cell"
    assert Options(mask="none").mask_rate is None


def test_written_out_options_can_be_read_again():
    for mask in MASKS.names():
        options = Options(mask=mask)
        assert Options.model_validate(options.model_dump(mode="json")) == options


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 1.5])
def test_a_rate_outside_zero_and_one_is_refused(rate):
    with pytest.raises(ValidationError, match="mask_rate"):
        Options(mask="random", mask_rate=rate)


@pytest.mark.parametrize("wrong", [{"mask": "randon"}, {"head": "mze"}])
def test_an_unknown_mask_or_head_names_the_nearest(wrong):
    with pytest.raises(ConfigError) as caught:
        Options(**wrong)
    assert "did you mean" in caught.value.fix


def test_options_are_checked_without_importing_the_mask():
    light = PRETEXTS.options("masked")
    with pytest.raises(ValidationError, match="mask 'none' has no mask_rate"):
        light.model_validate({"mask": "none", "mask_rate": 0.2})
    assert light.model_validate({"mask": "random", "mask_rate": 0.2}).mask_rate == 0.2


def test_the_rate_of_the_options_reaches_the_mask():
    for mask in ("random", "gene_programme"):
        pretext = masked(mask=mask, mask_rate=0.8)
        assert pretext.reconstruction.mask_options.rate == 0.8


def test_the_encoder_sees_zero_where_a_gene_is_hidden():
    minibatch, mask = everything(some_cells()), half_hidden()
    pretext, seen = shows(masked(), mask), []
    pretext.encoder.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    pretext.loss(minibatch, generator())
    assert torch.equal(seen[0], minibatch.x * ~mask.hidden)


@pytest.mark.parametrize("head", ["mse", "negative_binomial", "poisson"])
def test_what_an_unscored_hidden_gene_holds_matters_to_nothing(head):
    """Hidden and unscored genes carry noise instead of values: same loss, same gradient."""
    mask = half_hidden()
    scored = mask.scored & (torch.rand(mask.scored.shape, generator=generator(8)) < 0.5)
    pretext = shows(masked(head=head), Mask(hidden=mask.hidden, scored=scored))
    minibatch, ignored = everything(some_cells()), mask.hidden & ~scored
    noisy = replace(
        minibatch,
        view=minibatch.x.masked_fill(ignored, 3.3),
        raw=minibatch.counts.masked_fill(ignored, 11.0),
    )
    results = []
    for cells in (minibatch, noisy):
        pretext.zero_grad()
        loss = pretext.loss(cells, generator()).value
        loss.backward()
        results.append([loss.detach(), *(p.grad.clone() for p in pretext.parameters())])
    assert all(torch.equal(a, b) for a, b in zip(*results))


def test_the_gradient_of_the_output_layer_flows_through_scored_genes_only():
    pretext = masked()
    scored = torch.zeros(120, N_GENES, dtype=torch.bool)
    scored[:, 3] = True
    shows(pretext, Mask(hidden=scored, scored=scored))
    pretext.loss(everything(some_cells()), generator()).value.backward()
    of_gene = pretext.reconstruction.head.output.weight.grad.abs().sum(dim=1)  # (n_genes,)
    assert of_gene.nonzero().flatten().tolist() == [3]


def test_the_realised_fraction_of_hidden_genes_is_logged():
    mask = half_hidden()
    logs = shows(masked(), mask).loss(everything(some_cells()), generator()).logs
    assert logs["hidden_fraction"].item() == pytest.approx(mask.hidden.float().mean().item())
    exact = masked(mask="none").loss(everything(some_cells()), generator()).logs
    assert exact["hidden_fraction"].item() == 0


def test_the_scale_of_the_loss_does_not_follow_the_rate():
    """The decoder predicts 0 everywhere, so that only the average over entries could differ."""
    minibatch, values = everything(some_cells()), []
    for rate in (0.05, 0.5, 0.95):
        pretext = masked(mask_rate=rate)
        torch.nn.init.zeros_(pretext.reconstruction.head.output.weight)
        torch.nn.init.zeros_(pretext.reconstruction.head.output.bias)
        losses = [pretext.loss(minibatch, generator(seed)).value.item() for seed in range(30)]
        values.append(np.mean(losses))
    np.testing.assert_allclose(values, minibatch.x.square().mean().item(), rtol=0.03)


def test_a_mask_with_programmes_must_be_prepared_first():
    with pytest.raises(RuntimeError, match="prepare"):
        masked(mask="gene_programme").loss(everything(some_cells()), generator())


def write_gmt(file, programmes):
    lines = ["\t".join([name, "from a test", *genes]) for name, genes in programmes.items()]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("mask", ["gene_programme", "isolated_programme"])
def test_programmes_are_read_from_a_file(mask, tmp_path):
    source = write_gmt(tmp_path / "some.gmt", {"first": GENES[:8], "second": GENES[20:26]})
    pretext, train = masked(mask=mask, programmes=source), some_cells()
    pretext.prepare(train)
    assert sorted(pretext.reconstruction.programmes.sum(dim=1).tolist()) == [6, 8]
    assert pretext.loss(everything(train), generator()).value.isfinite()


def test_programmes_found_by_coexpression_are_genes_that_rise_and_fall_together():
    """The first thirty genes come in three modules of ten; most pairs in a programme share theirs."""
    pretext, train = masked(mask="gene_programme", programmes="coexpression"), some_cells(600)
    pretext.prepare(train)
    of_a_module = pretext.reconstruction.programmes[
        pretext.reconstruction.programmes[:, :10].sum(dim=1) >= 9
    ]
    assert len(of_a_module) > 0
    assert pretext.loss(everything(train), generator()).value.isfinite()


def test_targets_of_transcription_factors_are_read_from_a_file(tmp_path):
    source = write_gmt(tmp_path / "some.gmt", {"g3": GENES[:8], "g30": GENES[20:26]})
    pretext, train = masked(mask="programme_to_tf", programmes=source), some_cells()
    pretext.prepare(train)
    assert pretext.reconstruction.tf_genes.tolist() == [3, 30]
    mask = pretext.reconstruction.mask(everything(train).x, generator())
    assert mask.scored.any(dim=0).nonzero().flatten().tolist() == [3, 30]
    assert pretext.loss(everything(train), generator()).value.isfinite()


def test_prepared_programmes_travel_with_the_weights(tmp_path):
    source = write_gmt(tmp_path / "some.gmt", {"first": GENES[:8], "second": GENES[20:26]})
    pretext = masked(mask="gene_programme", programmes=source)
    pretext.prepare(some_cells())
    assert "reconstruction.programmes" in dict(pretext.named_buffers())


def trained(seed=0, **options):
    pretext = masked(seed, **options)
    training = TrainingOptions(minibatch_size=32, max_updates=30, evaluate_every=10)
    fit(pretext, some_cells(), training, seed=seed, device="cpu", on_report=lambda n, means: True)
    return pretext.state_dict()


def test_the_same_seed_gives_bit_equal_weights_whatever_the_global_state():
    torch.manual_seed(1)
    first = trained()
    torch.manual_seed(2)
    second, other = trained(), trained(seed=1)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_a_fraction_of_the_outputs_needs_a_mask_and_a_head_that_can_do_so():
    assert Options(head_fraction=0.25).head_fraction == 0.25
    assert Options().head_fraction == 1.0
    assert Options(head="poisson").head_fraction is None
    with pytest.raises(ValidationError, match="head_fraction needs a mask"):
        Options(mask="gene_programme", head_fraction=0.25)
    with pytest.raises(ValidationError, match="head 'poisson' has no head_fraction"):
        Options(head="poisson", head_fraction=0.25)


def test_a_fraction_of_the_outputs_reaches_the_head_and_evaluation_ignores_it():
    pretext = masked(head_fraction=0.25)
    assert pretext.reconstruction.head.fraction == 0.25
    pretext.eval()
    exact = masked().eval().loss(everything(some_cells()), generator()).value
    assert torch.equal(pretext.loss(everything(some_cells()), generator()).value, exact)
