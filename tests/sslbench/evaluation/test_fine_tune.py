"""Fine-tuning gets out of an untrained encoder what a frozen probe cannot, and leaves the encoder itself alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sslbench.errors import ConfigError
from sslbench.evaluation.base import Embedded, build_evaluation
from sslbench.evaluation.fine_tune import FineTune, Options, _Network
from tests.factories import embedded_by, random_encoder, synthetic_cells


@pytest.fixture(scope="module")
def parts() -> list[Embedded]:
    """Train, validation and test cells of five types; z has two dimensions, which an untrained encoder wastes."""
    cells = synthetic_cells(n_cells=600, n_types=5, type_effect=0.7)
    embedded = embedded_by(random_encoder(cells.n_genes, name="mlp"), cells)
    return [embedded.at(p) for p in np.split(np.random.default_rng(0).permutation(600), [300, 450])]


def macro_f1(task: str, parts: list[Embedded], **options: object) -> float:
    train, val, test = parts
    built = build_evaluation(task, options)
    return built.fit(train=train, val=val, generator=np.random.default_rng(0))(test).scores[
        "macro_f1"
    ]


def test_it_beats_the_probes_of_a_frozen_untrained_encoder(parts):
    tuned = macro_f1("fine_tune", parts)
    assert tuned > macro_f1("linear_probe", parts) + 0.03
    assert tuned > macro_f1("knn", parts) + 0.1


def test_with_a_decay_of_nothing_the_encoder_hardly_moves_and_it_is_a_probe(parts):
    still = macro_f1("fine_tune", parts, layer_decay=1e-9, learning_rate=1e-2)
    assert still < macro_f1("fine_tune", parts)


def test_the_weights_kept_are_the_best_on_validation_cells_and_not_the_last(parts):
    """Validation labels that contradict training: whatever is learnt is worse than the first look."""
    train, val, test = parts
    assert val.cells is not None
    turned = (val.label + 1) % 5
    contradicted = replace(val, label=turned, cells=replace(val.cells, label=turned))
    few = {"evaluate_every": 1, "patience": 3}
    task = FineTune(Options.model_validate(few))
    early = task.fit(train=train, val=contradicted, generator=np.random.default_rng(0))(test)
    late = FineTune(Options.model_validate({"evaluate_every": 1, "patience": 50})).fit(
        train=train, val=val, generator=np.random.default_rng(0)
    )(test)
    assert early.scores["macro_f1"] < late.scores["macro_f1"] - 0.2


def test_each_layer_nearer_the_input_learns_slower(parts):
    network = _Network(random_encoder(60, name="mlp"), torch.ones(5))
    rates = [group["lr"] for group in network.groups(0.1, decay=0.5)]
    assert rates[:3] == [0.1, 0.1, 0.05]
    assert rates == sorted(rates, reverse=True)
    grouped = sum(len(group["params"]) for group in network.groups(0.1, decay=0.5))
    assert grouped == len(list(network.parameters()))


def test_labels_that_no_training_cell_has_cost_nothing(parts):
    """A label without training cells has weight 0 and is not predicted."""
    train, val, test = parts
    assert train.cells is not None
    kept = np.flatnonzero(train.label != 4)
    found = FineTune(Options()).fit(
        train=train.at(kept), val=val, generator=np.random.default_rng(0)
    )(test)
    assert found.predicted is not None
    assert np.isfinite(found.scores["macro_f1"])
    assert (found.predicted == 4).mean() < 0.02


def test_an_embedding_alone_cannot_be_fine_tuned(parts):
    train, val, _ = parts
    with pytest.raises(ConfigError, match="only an embedding") as refused:
        FineTune(Options()).fit(
            train=replace(train, networks=None), val=val, generator=np.random.default_rng(0)
        )
    assert refused.value.code == "C035"
