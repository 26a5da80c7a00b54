import math
from typing import get_args

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from torch import nn

from sslbench.config import TrainingOptions
from sslbench.data.cells import Cells, CountsMatrix
from sslbench.data.resident import on_device
from sslbench.encoders.base import build_encoder
from sslbench.errors import DataError, DivergedError
from sslbench.lars import LARS
from sslbench.pretext.base import Loss, build_pretext
from sslbench.seeding import global_stream
from sslbench.training import OPTIMISERS, fit

N_GENES = 12


def some_cells(n_cells=50):
    rng = np.random.default_rng(0)
    return Cells(
        counts=CountsMatrix.from_scipy(csr_matrix(rng.poisson(1.0, (n_cells, N_GENES)))),
        row_ids=np.arange(n_cells),
        genes=tuple(f"g{g}" for g in range(N_GENES)),
        label=rng.integers(0, 3, n_cells),
        label_names=("a", "b", "c"),
        donor=np.full(n_cells, ""),
        batch=np.full(n_cells, ""),
    )


def options(**changed):
    return TrainingOptions(
        **{"minibatch_size": 16, "max_updates": 20, "evaluate_every": 5, **changed}
    )


class FakePretext(nn.Module):
    """Predicts expression from a noisy copy through dropout, and remembers what it was shown."""

    def __init__(self, *, sees_labels=False, scale=1.0, poisoned_at=None):
        super().__init__()
        self.sees_labels, self.scale, self.poisoned_at = sees_labels, scale, poisoned_at
        self.layer, self.dropout = nn.Linear(N_GENES, N_GENES), nn.Dropout(0.3)
        with torch.no_grad():
            self.layer.weight.copy_(torch.eye(N_GENES) * 0.1)
            self.layer.bias.zero_()
        self.shown, self.modes, self.steps, self.values = [], [], 0, []

    def loss(self, minibatch, generator):
        self.shown.append(minibatch)
        self.modes.append(self.training)
        noise = torch.randn(minibatch.x.shape, generator=generator)
        predicted = self.layer(self.dropout(minibatch.x + noise))
        value = self.scale * (predicted - minibatch.x).square().mean()
        if len(self.shown) == self.poisoned_at:
            value = value * math.nan
        self.values.append(value.item())
        return Loss(value, {"size": torch.tensor(float(len(minibatch.x)))})

    def after_step(self, *, progress):
        self.steps += 1


def train(pretext=None, *, on_report=lambda updates, means: True, seed=0, cells=None, **changed):
    pretext = FakePretext() if pretext is None else pretext
    cells = some_cells() if cells is None else cells
    updates = fit(pretext, cells, options(**changed), seed=seed, device="cpu", on_report=on_report)
    return pretext, updates


def weights(pretext):
    return pretext.layer.weight.detach().clone()


def test_reports_come_every_few_updates_and_at_the_end():
    seen = []
    _, updates = train(max_updates=12, on_report=lambda n, means: seen.append(n) or True)
    assert (seen, updates) == ([5, 10, 12], 12)


def test_training_stops_when_a_report_says_so():
    pretext, updates = train(on_report=lambda n, means: n < 10)
    assert updates == 10
    assert len(pretext.shown) == pretext.steps == 10


def test_a_report_holds_the_means_since_the_last_report():
    seen = []
    pretext, _ = train(max_updates=8, on_report=lambda n, means: seen.append(means) or True)
    expected = [np.mean(pretext.values[:5]), np.mean(pretext.values[5:])]
    assert [means["train/pretext/loss"] for means in seen] == pytest.approx(expected, rel=1e-6)
    assert seen[0]["train/pretext/size"] == 16
    assert set(seen[0]) == {f"train/pretext/{key}" for key in ("loss", "gradient_norm", "size")}


def test_training_lowers_the_loss():
    pretext, _ = train(max_updates=100, learning_rate=1e-2)
    assert np.mean(pretext.values[-10:]) < 0.8 * np.mean(pretext.values[:10])


def test_one_update_is_a_clipped_adamw_step():
    ours, _ = train(FakePretextWithoutDropout(), max_updates=1, gradient_clip=0.01)
    by_hand = FakePretextWithoutDropout()
    optimiser = torch.optim.AdamW(by_hand.parameters(), lr=1e-3, weight_decay=0.01)
    masks = torch.Generator()
    masks.set_state(ours.masks_before)
    by_hand.loss(ours.shown[0], masks).value.backward()
    nn.utils.clip_grad_norm_(by_hand.parameters(), 0.01)
    optimiser.step()
    torch.testing.assert_close(weights(ours), weights(by_hand))


def test_every_optimiser_that_can_be_named_is_built_and_learns():
    assert set(OPTIMISERS) == set(get_args(TrainingOptions.model_fields["optimiser"].annotation))
    for optimiser, learning_rate in {"adamw": 1e-2, "lars": 5.0}.items():
        named = {"optimiser": optimiser, "learning_rate": learning_rate}
        pretext, _ = train(max_updates=200, **named)
        assert np.mean(pretext.values[-10:]) < 0.8 * np.mean(pretext.values[:10]), optimiser


def test_one_update_under_lars_is_a_clipped_lars_step():
    ours, _ = train(
        FakePretextWithoutDropout(), max_updates=1, gradient_clip=0.01, optimiser="lars", learning_rate=2.0
    )  # fmt: skip
    by_hand = FakePretextWithoutDropout()
    masks = torch.Generator()
    masks.set_state(ours.masks_before)
    by_hand.loss(ours.shown[0], masks).value.backward()
    nn.utils.clip_grad_norm_(by_hand.parameters(), 0.01)
    LARS(by_hand.parameters(), lr=2.0, weight_decay=0.01).step()
    torch.testing.assert_close(weights(ours), weights(by_hand))


class FakePretextWithoutDropout(FakePretext):
    def __init__(self):
        super().__init__()
        self.dropout = nn.Identity()

    def loss(self, minibatch, generator):
        self.masks_before = generator.get_state()
        return super().loss(minibatch, generator)


def test_the_same_seed_gives_bit_equal_weights_and_another_seed_does_not():
    first, second, other = (weights(train(seed=seed)[0]) for seed in (3, 3, 4))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_the_global_random_state_neither_matters_nor_changes():
    results = []
    pretexts = FakePretext(), FakePretext()
    for poison, pretext in enumerate(pretexts):
        torch.manual_seed(poison)
        np.random.seed(poison)  # noqa: NPY002
        torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
        results.append(weights(train(pretext)[0]))
        assert torch.equal(torch.get_rng_state(), torch_before)
        assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002
    assert torch.equal(*results)


def test_draws_inside_a_report_do_not_shift_training():
    def drawing(updates, means):
        torch.rand(1000)
        return True

    assert torch.equal(weights(train(on_report=drawing)[0]), weights(train()[0]))


def test_how_often_reports_come_does_not_change_the_weights():
    assert torch.equal(weights(train(evaluate_every=3)[0]), weights(train(evaluate_every=20)[0]))


def test_training_goes_on_in_train_mode_after_a_report_left_eval_mode():
    pretext = FakePretext()
    train(pretext, on_report=lambda n, means: pretext.eval() is not None)
    assert all(pretext.modes)


def test_training_starts_in_train_mode():
    pretext, _ = train(FakePretext().eval())
    assert all(pretext.modes)


def test_labels_are_absent_unless_the_task_sees_labels():
    assert all(minibatch.label is None for minibatch in train()[0].shown)
    pretext, _ = train(FakePretext(sees_labels=True))
    assert all(minibatch.label is not None for minibatch in pretext.shown)


def test_a_non_finite_loss_names_its_update():
    pretext = FakePretext(poisoned_at=7)
    with pytest.raises(DivergedError, match="loss must be finite, got nan by update 7;"):
        train(pretext)
    assert len(pretext.shown) == 7


def test_a_non_finite_gradient_under_a_finite_loss_is_refused():
    class RootAtZero(FakePretext):
        def loss(self, minibatch, generator):
            return Loss((self.layer.weight * 0).sum().sqrt(), {})

    with pytest.raises(DivergedError, match="gradient_norm must be finite"):
        train(RootAtZero())


def test_a_report_is_never_called_with_a_non_finite_loss():
    seen = []
    with pytest.raises(DivergedError):
        train(FakePretext(poisoned_at=5), on_report=lambda n, means: seen.append(n) or True)
    assert seen == []


def test_the_random_streams_are_restored_when_a_report_ends_the_process():
    def stopping(updates, means):
        raise SystemExit

    pretext, before = FakePretext(), torch.get_rng_state()
    with pytest.raises(SystemExit):
        train(pretext, on_report=stopping)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_single_training_cell_is_refused():
    with pytest.raises(DataError, match="at least 2 cells, got 1"):
        train(cells=some_cells(1))


def test_frozen_weights_stay_as_they_are():
    pretext = FakePretext()
    pretext.layer.bias.requires_grad_(False)
    train(pretext)
    assert pretext.layer.bias.abs().max() == 0


def trained(name, **changed):
    """The weights after twenty updates of a real pretext task."""
    cells = some_cells()
    with global_stream(0, "init"):
        pretext = build_pretext(
            name,
            {},
            encoder=build_encoder("mlp", {"width": 8}, n_genes=N_GENES),
            genes=cells.genes,
            label_names=cells.label_names,
        )
    fit(pretext, cells, options(**changed), seed=0, device="cpu", on_report=lambda *_: True)
    return pretext.state_dict()


def test_cells_resident_on_a_device_train_the_same_network(monkeypatch):
    """The minibatches of a GPU, made on the CPU by the same code, against packed ones."""
    packed = trained("supervised")
    monkeypatch.setattr("sslbench.training.resident", lambda c, device: on_device(c, device=device))
    gathered = trained("supervised")
    for name, weight in packed.items():
        torch.testing.assert_close(gathered[name], weight, rtol=1e-4, atol=1e-5)


def test_gradients_within_the_limit_are_not_touched():
    """A limit that is never reached and no limit to speak of give bit-equal weights."""
    first, second = (trained("supervised", gradient_clip=clip) for clip in (1e3, 1e6))
    assert all(torch.equal(first[name], second[name]) for name in first)
