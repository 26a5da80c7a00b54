"""Training the encoder further gets more of the proteins out of it than its frozen embedding has."""

from dataclasses import replace

import numpy as np
import pytest

from sslbench.errors import ConfigError
from sslbench.evaluation.base import Embedded, build_evaluation
from tests.factories import embedded_cells


@pytest.fixture(scope="module")
def parts() -> list[Embedded]:
    cells = embedded_cells()
    order = np.random.default_rng(0).permutation(len(cells.z))
    return [cells.at(part) for part in np.split(order, [300, 430])]


def scores(name: str, parts: list[Embedded], **options: object) -> dict[str, float]:
    train, val, test = parts
    task = build_evaluation(name, options)
    return task.fit(train=train, val=val, generator=np.random.default_rng(0))(test).scores


def test_it_beats_the_frozen_head_of_an_untrained_encoder(parts):
    tuned = scores("cross_modality_fine_tune", parts, learning_rate=1e-2)
    frozen = scores("cross_modality", parts, head="mlp")
    assert tuned["pearson_per_feature"] > frozen["pearson_per_feature"] + 0.05
    beside = ("mean_predictor_pearson_pooled", "expression_ridge_pearson_per_feature")
    assert {name: tuned[name] for name in beside} == {name: frozen[name] for name in beside}


def test_an_encoder_that_hardly_moves_is_a_frozen_one(parts):
    still = scores("cross_modality_fine_tune", parts, learning_rate=1e-9)
    frozen = scores("cross_modality", parts, head="mlp")
    assert still["pearson_per_feature"] == pytest.approx(frozen["pearson_per_feature"], abs=0.03)


def test_an_embedding_alone_cannot_be_trained_further(parts):
    train, val, test = parts
    with pytest.raises(ConfigError, match="only an embedding") as refused:
        scores("cross_modality_fine_tune", [replace(train, networks=None), val, test])
    assert refused.value.code == "C035"
