"""Every pretext task keeps the contract of pretext/base.py; a new file is covered the moment it exists."""

from contextlib import nullcontext
from importlib.util import find_spec
from typing import get_args

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from sslbench.config import TrainingOptions
from sslbench.data.cells import Cells, CountsMatrix
from sslbench.data.resident import on_device
from sslbench.encoders.base import build_encoder, embed_cells
from sslbench.pretext.base import Loss, Pretext, build_pretext
from sslbench.pretext.masks import random
from sslbench.registry import ENCODERS, PRETEXTS, defining_module
from sslbench.results import Regime
from sslbench.search.checks import has_projector
from sslbench.seeding import global_stream
from sslbench.training import fit

N_GENES, N_TYPES = 50, 4
# Every pretext task is tried with an mlp, unless it can only fill other encoders.
ENCODER_OF = {
    "pca": "linear",
    "hvg": "identity",
    "gradient_boosting": "identity",
    "lightgbm": "identity",
    "logistic_regression": "linear",
    "nearest_neighbours": "linear",
    "shuffled_labels": "linear",
    "scvi": "scvi",
}
# Options that are not the defaults, each with its reason.
OPTIONS_OF = {"scvi": {"max_epochs": 2}}  # 400 would take seconds in each test
# Tasks of an optional extra that `make setup` leaves out, by the module that they need.
MODULE_OF = {"scvi": "scvi"}
# Tasks whose loss is not measured by the same yardstick all along, each with its reason.
LOSS_MAY_RISE = {
    "moco": "its queue begins as random directions, which are easy to tell a cell's key from, and fills with "
    "keys of cells; that training sets own keys apart is shown in tests/sslbench/pretext/test_moco.py",
}


def some_cells(n_cells=160):
    """Four types of cells, each with ten genes of its own; a tenth of the cells is unlabelled."""
    rng = np.random.default_rng(0)
    label = np.arange(n_cells) % N_TYPES
    rate = np.full((n_cells, N_GENES), 0.4)
    for cell in range(n_cells):
        rate[cell, 10 * label[cell] : 10 * label[cell] + 10] = 4 * rng.gamma(3, 1 / 3)
    return Cells(
        counts=CountsMatrix.from_scipy(csr_matrix(rng.poisson(rate))),
        row_ids=np.arange(n_cells),
        genes=tuple(f"g{g}" for g in range(N_GENES)),
        label=np.where(rng.random(n_cells) < 0.1, -1, label),
        label_names=("a", "b", "c", "d"),
        donor=np.full(n_cells, ""),
        batch=np.full(n_cells, ""),
    )


def visible_to(pretext_class, cells):
    return cells if pretext_class.sees_labels else cells.without_labels()


def encoder_of(name):
    return ENCODER_OF.get(name, "mlp")


def encoder_options(name):
    known = ENCODERS.options(encoder_of(name)).model_fields
    return {"embedding_dim": 8} if "embedding_dim" in known else {}


def embedding_dim(name):
    return encoder_options(name).get("embedding_dim", N_GENES)


def prepared(name, *, seed=0):
    if name in MODULE_OF and find_spec(MODULE_OF[name]) is None:
        pytest.skip(f"needs the extra: pip install 'sslbench[{name}]'")
    cells = some_cells()
    with global_stream(seed, "init"):
        encoder = build_encoder(encoder_of(name), encoder_options(name), n_genes=N_GENES)
        pretext = build_pretext(
            name,
            OPTIONS_OF.get(name, {}),
            encoder=encoder,
            genes=cells.genes,
            label_names=cells.label_names,
        )
    pretext.prepare(visible_to(PRETEXTS.load(name), cells))
    return pretext


def gradient_based():
    return [name for name in PRETEXTS.names() if not PRETEXTS.load(name).gradient_free]


def that_can_collapse():
    return [name for name in PRETEXTS.names() if PRETEXTS.load(name).can_collapse]


def trained(name, *, seed=0, max_updates=20, reports=None):
    pretext = prepared(name, seed=seed)
    training = TrainingOptions(minibatch_size=32, max_updates=max_updates, evaluate_every=10)

    def on_report(updates, means):
        if reports is not None:
            reports.append(means)
        return True

    fit(pretext, some_cells(), training, seed=seed, device="cpu", on_report=on_report)
    return pretext


@pytest.mark.parametrize("name", PRETEXTS.names())
def test_options_are_documented_and_readable_without_torch(name):
    light, imported = PRETEXTS.options(name), defining_module(PRETEXTS.load(name)).Options
    assert light.model_json_schema() == imported.model_json_schema()
    assert all(field.description for field in imported.model_fields.values())
    assert PRETEXTS.summary(name)


@pytest.mark.parametrize("name", PRETEXTS.names())
def test_the_class_says_its_regime_and_whether_it_sees_labels(name):
    pretext_class = PRETEXTS.load(name)
    assert issubclass(pretext_class, Pretext)
    assert pretext_class.regime in get_args(Regime)
    assert pretext_class.sees_labels == (pretext_class.regime == "supervised")


@pytest.mark.parametrize("name", PRETEXTS.names())
def test_the_embedding_is_finite_and_has_a_row_a_cell(name):
    z = embed_cells(prepared(name).encoder, some_cells())
    assert z.shape == (160, embedding_dim(name))
    assert np.isfinite(z).all()


@pytest.mark.parametrize("name", PRETEXTS.names())
def test_a_classifier_gives_one_logit_a_label(name):
    pretext = prepared(name)
    assert (pretext.classifier is not None) == PRETEXTS.load(name).sees_labels
    if pretext.classifier is not None:
        logits = pretext.classifier(torch.zeros(3, embedding_dim(name)))
        assert logits.shape == (3, N_TYPES)
        assert logits.isfinite().all()


@pytest.mark.parametrize("name", PRETEXTS.names())
def test_what_a_class_says_of_its_trials_is_known_without_torch_and_goes_together(name):
    pretext_class = PRETEXTS.load(name)
    for said in ("embeds", "is_control", "control_encoder", "permutes_labels", "leaves_checkpoint"):
        assert PRETEXTS.constant(name, said) == getattr(pretext_class, said)
    assert pretext_class.embeds or pretext_class.sees_labels, "nothing of it could be scored"
    if pretext_class.is_control:
        assert pretext_class.gradient_free
        assert not PRETEXTS.options(name).model_fields, "a control has nothing to choose"
    assert pretext_class.is_control or not pretext_class.permutes_labels


@pytest.mark.parametrize("name", PRETEXTS.names())
def test_what_leaves_a_checkpoint_carries_one_linear_layer_at_most(name):
    pretext = prepared(name)
    if pretext.leaves_checkpoint and pretext.classifier is not None:
        assert isinstance(pretext.classifier, torch.nn.Linear)


@pytest.mark.parametrize("name", PRETEXTS.names())
def test_options_tell_whether_there_is_a_projector_before_anything_is_built(name):
    assert (prepared(name).projector is not None) == has_projector(name)


@pytest.mark.parametrize("name", gradient_based())
def test_loss_is_one_finite_number_with_detached_logs(name):
    pretext = prepared(name)
    cells = visible_to(type(pretext), some_cells())
    loss = pretext.loss(cells.minibatch(np.arange(32)), torch.Generator().manual_seed(0))
    assert isinstance(loss, Loss)
    assert loss.value.shape == ()
    assert loss.value.isfinite()
    assert loss.value.requires_grad
    assert all(log.shape == () and not log.requires_grad for log in loss.logs.values())


@pytest.mark.parametrize("name", gradient_based())
def test_loss_draws_from_its_generator_alone(name):
    pretext = prepared(name).eval()
    minibatch = visible_to(type(pretext), some_cells()).minibatch(np.arange(32))
    values = []
    for poison in (1, 2):
        torch.manual_seed(poison)
        values.append(pretext.loss(minibatch, torch.Generator().manual_seed(5)).value)
    assert torch.equal(*values)


@pytest.mark.parametrize("name", that_can_collapse())
def test_a_task_that_can_collapse_learns_without_labels_and_says_so_without_torch(name):
    assert PRETEXTS.load(name).regime == "self-supervised"
    assert PRETEXTS.constant(name, "can_collapse") is True


@pytest.mark.parametrize("name", that_can_collapse())
def test_a_task_that_can_collapse_compares_finite_projections_of_a_row_a_cell(name):
    pretext = trained(name).eval()
    z = torch.from_numpy(embed_cells(pretext.encoder, some_cells()))
    with torch.inference_mode():
        projected = pretext.projector(z)
    assert projected.ndim == 2
    assert len(projected) == 160
    assert projected.isfinite().all()


@pytest.mark.parametrize("name", that_can_collapse())
def test_every_layer_of_a_projector_gets_a_gradient(name):
    pretext = prepared(name)
    cells = visible_to(type(pretext), some_cells())
    pretext.loss(cells.minibatch(np.arange(32)), torch.Generator().manual_seed(0)).value.backward()
    matrices = [p for p in pretext.projector.parameters() if p.ndim > 1]
    assert matrices
    assert all(p.grad is not None and p.grad.abs().max() > 1e-6 for p in matrices)


@pytest.mark.parametrize("name", gradient_based())
def test_a_loss_changes_no_weight_and_no_buffer_in_eval_mode(name):
    """Targets and queues move in after_step: asked twice, a loss answers the same."""
    pretext = prepared(name).eval()
    minibatch = visible_to(type(pretext), some_cells()).minibatch(np.arange(32))
    before = {key: value.clone() for key, value in pretext.state_dict().items()}
    values = [pretext.loss(minibatch, torch.Generator().manual_seed(5)).value for _ in range(2)]
    assert torch.equal(*values)
    assert all(torch.equal(before[key], value) for key, value in pretext.state_dict().items())


def test_every_exception_is_a_pretext_task():
    exceptions = (ENCODER_OF, LOSS_MAY_RISE, OPTIONS_OF, MODULE_OF)
    assert set().union(*exceptions) <= set(PRETEXTS.names())


@pytest.mark.parametrize("name", [n for n in gradient_based() if n not in LOSS_MAY_RISE])
def test_the_loss_falls_over_a_hundred_updates(name):
    reports = []
    trained(name, max_updates=100, reports=reports)
    losses = [means["train/pretext/loss"] for means in reports]
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("name", gradient_based())
def test_training_moves_every_weight_of_the_encoder(name):
    before = {key: value.clone() for key, value in prepared(name).encoder.named_parameters()}
    after = dict(trained(name).encoder.named_parameters())
    assert not any(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("name", PRETEXTS.names())
def test_the_same_seed_gives_bit_equal_weights(name):
    make = prepared if PRETEXTS.load(name).gradient_free else trained
    torch.manual_seed(1)
    first = make(name).state_dict()
    torch.manual_seed(2)
    second = make(name).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", [n for n in PRETEXTS.names() if PRETEXTS.load(n).gradient_free])
def test_the_same_seed_gives_equal_logits_whatever_holds_them(name):
    z = torch.rand(20, embedding_dim(name), generator=torch.Generator().manual_seed(3))
    torch.manual_seed(1)
    first = prepared(name).classifier
    torch.manual_seed(2)
    second = prepared(name).classifier
    if first is not None:
        with torch.inference_mode():
            assert torch.equal(first(z), second(z))


@pytest.mark.parametrize("name", PRETEXTS.names())
def test_a_trained_embedding_is_the_same_in_any_order_any_minibatch_or_alone(name):
    pretext = prepared(name) if PRETEXTS.load(name).gradient_free else trained(name)
    cells = some_cells()
    together = embed_cells(pretext.encoder, cells)
    for index in (np.arange(160)[::-1].copy(), np.arange(7), np.array([3])):
        x = pretext.encoder.inputs(cells.minibatch(index))
        with torch.inference_mode():
            part = pretext.encoder.eval()(x).numpy()
        np.testing.assert_allclose(part, together[index], atol=1e-5)


def losses_of_a_gpu(name, *, precision):
    """The step of a GPU, taken on the CPU: dense minibatches gathered from resident counts, autocast."""
    pretext = prepared(name)
    pretext.eval()  # no dropout: only the precision may differ
    source = on_device(visible_to(type(pretext), some_cells()), device="cpu")
    minibatch = source.minibatch(np.arange(64), device="cpu")
    with precision:
        value = pretext.loss(minibatch, torch.Generator().manual_seed(0)).value
    value.backward()
    return value, [p.grad for p in pretext.parameters() if p.grad is not None]


@pytest.mark.parametrize("name", gradient_based())
def test_in_mixed_precision_the_loss_is_nearly_the_same_and_gradients_stay_float32(name):
    exact, _ = losses_of_a_gpu(name, precision=nullcontext())
    mixed, gradients = losses_of_a_gpu(name, precision=torch.autocast("cpu", dtype=torch.bfloat16))
    assert mixed.item() == pytest.approx(exact.item(), rel=0.05, abs=0.02)
    assert gradients
    assert all(g.dtype == torch.float32 and g.isfinite().all() for g in gradients)


def losses_of_a_cpu(name):
    """The step of a CPU: packed minibatches."""
    pretext = prepared(name).eval()
    minibatch = visible_to(type(pretext), some_cells()).minibatch(np.arange(64))
    value = pretext.loss(minibatch, torch.Generator().manual_seed(0)).value
    value.backward()
    return value, [p.grad for p in pretext.parameters() if p.grad is not None]


@pytest.mark.parametrize("name", gradient_based())
def test_packed_minibatches_give_loss_and_gradients_of_dense_ones(name, monkeypatch):
    """The mask of non-zeros draws others: that its expectation is the same is shown in its own tests."""
    monkeypatch.delattr(random, "of_non_zeros")
    value, gradients = losses_of_a_cpu(name)
    expected, of_dense = losses_of_a_gpu(name, precision=nullcontext())
    torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)
    assert len(gradients) == len(of_dense)
    for ours, theirs in zip(gradients, of_dense):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
