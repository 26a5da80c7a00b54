"""The linear probe is weighted logistic regression of scikit-learn on standardised z."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sslbench.evaluation.base import Embedded
from sslbench.evaluation.linear_probe import LinearProbe, Options


def cells(seed: int, n_cells: int = 200) -> Embedded:
    random = np.random.default_rng(seed)
    label = random.choice(3, size=n_cells, p=[0.7, 0.2, 0.1])
    z = (
        3
        + np.eye(3)[label] @ np.diag([1.0, 5.0, 0.2])
        + random.normal(0, [1, 5, 0.2], (n_cells, 3))
    )
    return Embedded(z=z.astype(np.float32), label=label, label_names=("a", "b", "c"))


@pytest.mark.parametrize("c", [0.01, 1.0])
def test_it_predicts_what_the_pipeline_of_scikit_learn_predicts(c):
    train, test = cells(0), cells(1)
    fitted = LinearProbe(Options(c=c)).fit(
        train=train, val=test, generator=np.random.default_rng(0)
    )
    regression = LogisticRegression(C=c, class_weight="balanced", max_iter=2000)
    expected = make_pipeline(StandardScaler(), regression).fit(train.z.astype(float), train.label)
    np.testing.assert_array_equal(fitted(test).predicted, expected.predict(test.z.astype(float)))


def test_a_smaller_c_pulls_probabilities_together_and_changes_predictions():
    train, test = cells(0), cells(1)
    strong, weak = (
        LinearProbe(Options(c=c)).fit(train=train, val=test, generator=np.random.default_rng(0))(
            test
        )
        for c in (1e-4, 10.0)
    )
    assert (strong.predicted != weak.predicted).any()
