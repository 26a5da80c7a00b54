"""Every pretext task that is trained can be interrupted: what goes on from what was kept ends bit-equal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sslbench.config import TrialConfig
from sslbench.data.labels import LabelPoint
from sslbench.pretraining import Pretrained, pretrained
from sslbench.registry import AUGMENTATIONS, PRETEXTS
from sslbench.results import CurvePoint
from sslbench.resumption import KeptPretraining, Resumption
from tests.contracts.test_pretext import gradient_based, some_cells

OBJECTIVE = "val/knn/macro_f1"
# Batch normalisation has buffers, dropout draws from the global stream, and 160 cells are five minibatches an epoch.
ENCODER: dict[str, object] = {
    "name": "mlp",
    "width": 16,
    "embedding_dim": 8,
    "norm": "batch",
    "dropout": 0.3,
}
TRAINING: dict[str, object] = {
    "max_updates": 12,
    "evaluate_every": 3,
    "minibatch_size": 32,
    "patience": 100,
}


class KilledError(Exception):
    """As a kill: nothing after it happens."""


def config(
    pretext: dict[str, object], *, encoder: dict[str, object] = ENCODER, **training: object
) -> TrialConfig:
    return TrialConfig.model_validate(
        {
            "dataset": {"name": "some"},
            "pretext": pretext,
            "encoder": encoder,
            "training": TRAINING | training,
            "evaluation": [{"name": "knn"}],
            "objective": OBJECTIVE,
            "seed": 3,
        }
    )


def kept_in(folder: Path, *earlier: Path) -> KeptPretraining:
    return Resumption(folder, earlier=earlier, made_with="this code", every_seconds=0.0).of(0)


def trained(
    chosen: TrialConfig, *, kept: KeptPretraining | None = None, until: int | None = None
) -> Pretrained:
    """Pretrain; the report after `until` updates is the last thing that is heard of it."""

    def report(point: CurvePoint) -> None:
        if point.updates == until:
            raise KilledError

    cells = some_cells()
    train, val = cells.at(np.arange(120)), cells.at(np.arange(120, 160))
    point = LabelPoint(fraction=1.0, suffix="", train=train, val=val)
    return pretrained(chosen, [point], cells=None, device="cpu", report=report, kept=kept)


def poison() -> None:
    """Leave the caller's streams where they have never been."""
    torch.manual_seed(np.random.default_rng().integers(2**31))
    np.random.seed(7)  # noqa: NPY002


def check_equal(one: Pretrained, other: Pretrained) -> None:
    ours, theirs = one.courses[1.0], other.courses[1.0]
    assert [p.updates for p in ours.curve] == [3, 6, 9, 12]
    assert [(p.updates, p.values) for p in ours.curve] == [
        (p.updates, p.values) for p in theirs.curve
    ]
    assert ours.best_updates == theirs.best_updates
    check_equal_weights(ours.best_weights, theirs.best_weights)
    check_equal_weights(one.pretext.state_dict(), other.pretext.state_dict())


def check_equal_weights(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def check_resumes_bit_equal(chosen: TrialConfig, folder: Path) -> None:
    straight = trained(chosen)
    with pytest.raises(KilledError):
        trained(chosen, kept=kept_in(folder / "1"), until=9)
    poison()
    heard = kept_in(folder / "2", folder / "1")
    state = heard.read()
    assert state is not None
    assert state.facts["training"]["updates"] == 6
    check_equal(trained(chosen, kept=heard), straight)


@pytest.mark.parametrize("name", gradient_based())
def test_an_interrupted_pretraining_ends_bit_equal_to_one_that_was_not(
    name: str, tmp_path: Path
) -> None:
    check_resumes_bit_equal(config({"name": name}), tmp_path)


@pytest.mark.parametrize("augmentation", AUGMENTATIONS.names())
def test_what_augmentations_have_fitted_is_fitted_again(augmentation: str, tmp_path: Path) -> None:
    view: dict[str, object] = {"name": "moco", augmentation: 0.3, "queue_size": 64}
    if augmentation == "programme_dropout":  # the genes here are in no bundled programme
        view["programme_dropout_programmes"] = "coexpression"
    check_resumes_bit_equal(config(view), tmp_path)


def test_so_does_one_under_lars(tmp_path: Path) -> None:
    check_resumes_bit_equal(config({"name": "byol"}, optimiser="lars", learning_rate=0.1), tmp_path)


def test_one_that_is_interrupted_again_and_again_ends_bit_equal_too(tmp_path: Path) -> None:
    chosen, folders = config({"name": "moco"}), [tmp_path / str(i) for i in range(4)]
    for i, until in enumerate([6, 9, 12]):
        with pytest.raises(KilledError):
            trained(chosen, kept=kept_in(folders[i], *folders[:i]), until=until)
        poison()
    check_equal(trained(chosen, kept=kept_in(folders[3], *folders[:3])), trained(chosen))


def test_the_tasks_without_gradients_keep_nothing(tmp_path: Path) -> None:
    assert PRETEXTS.load("pca").gradient_free
    chosen = config({"name": "pca"}, encoder={"name": "linear", "embedding_dim": 8})
    trained(chosen, kept=kept_in(tmp_path / "1"))
    assert not (tmp_path / "1").exists()
