"""A network that learns the second modality: when it stops, what it keeps, and that it is the same each time."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sslbench.errors import DivergedError
from sslbench.evaluation import _gradient_learner
from sslbench.evaluation._cross_modality import Known, material
from sslbench.evaluation._gradient_learner import GradientLearner
from sslbench.evaluation.base import Embedded
from tests.factories import embedded_cells


def of_z(cells: Embedded, index: np.ndarray) -> Tensor:
    return torch.from_numpy(cells.z[index])


def learner(seed: int = 0) -> GradientLearner:
    return GradientLearner(nn.Identity, see=of_z, seed=seed)


@pytest.fixture(scope="module")
def known() -> tuple[Known, Known]:
    cells = embedded_cells()
    given = material(
        cells.at(np.arange(300)),
        cells.at(np.arange(300, 500)),
        scale=None,
        generator=np.random.default_rng(0),
    )
    assert given.val is not None
    return given.train, given.val


def error(predicted: np.ndarray, known: Known) -> float:
    return float(np.square(predicted - known.targets[slice(None), slice(None)]).mean())


def everything(columns) -> np.ndarray:
    return columns[slice(None), slice(None)]


def test_the_epoch_kept_is_the_best_on_the_cells_held_out(known):
    train, held_out = known
    learnt = learner().chosen(train, held_out=held_out)
    best = error(everything(learnt.predict(held_out.cells)), held_out)
    for epochs in (learnt.setting - 1, learnt.setting, learnt.setting + 1):
        other = everything(learner().fitted(train, setting=epochs)(held_out.cells))
        assert best <= error(other, held_out) + 1e-9
        if epochs == learnt.setting:  # the same number of epochs is the same network
            np.testing.assert_allclose(other, everything(learnt.predict(held_out.cells)), atol=1e-6)
    assert best < 1  # of targets of variance 1


def test_it_stops_when_nothing_gets_better(known, monkeypatch):
    train, held_out = known
    epochs = []
    epoch = GradientLearner._epoch

    def counted(self, *args, **options):
        epochs.append(1)
        return epoch(self, *args, **options)

    monkeypatch.setattr(GradientLearner, "_epoch", counted)
    monkeypatch.setattr(_gradient_learner, "PATIENCE", 2)
    learnt = learner().chosen(train, held_out=held_out)
    assert len(epochs) in (learnt.setting + 2, _gradient_learner.MAX_EPOCHS)


def test_the_same_seed_gives_the_same_network_and_another_seed_another(known):
    train, held_out = known
    first, again, other = (
        everything(learner(seed).fitted(train, setting=2)(held_out.cells)) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_an_error_that_is_not_finite_is_no_choice(known):
    train, held_out = known
    z = held_out.cells.z.copy()
    z[0] = np.inf
    broken = Known(
        cells=Embedded(z=z, label=held_out.cells.label, label_names=()), targets=held_out.targets
    )
    with pytest.raises(DivergedError, match="held out"):
        learner().chosen(train, held_out=broken)
