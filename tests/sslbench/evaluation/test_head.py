"""The arm's own classifier is read, never fitted."""

import numpy as np
import pytest

from sslbench.errors import ConfigError, DivergedError
from sslbench.evaluation.base import Embedded, Evaluation
from sslbench.evaluation.head import Head, Options


def scored(logits: np.ndarray | None) -> Evaluation:
    cells = Embedded(
        z=np.zeros((3, 2), dtype=np.float32),
        label=np.array([0, 1, -1]),
        label_names=("a", "b"),
        logits=logits,
    )
    fitted = Head(Options()).fit(train=cells, val=cells, generator=np.random.default_rng(0))
    return fitted(cells)


def test_the_largest_logit_is_the_prediction():
    found = scored(np.array([[2.0, 1.0], [0.5, 0.4], [-3.0, -1.0]]))
    assert found.predicted is not None
    assert found.predicted.tolist() == [0, 0, 1]
    assert found.scores["accuracy"] == 0.5


def test_an_arm_without_a_classifier_is_refused_with_the_protocols_that_would_do():
    with pytest.raises(ConfigError, match="this arm has none"):
        scored(None)


def test_a_logit_that_is_not_finite_is_never_scored():
    with pytest.raises(DivergedError, match="1 of 6"):
        scored(np.array([[np.nan, 1.0], [0, 1], [0, 1]]))
