import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from tests.sslbench.pretext.classifiers import (
    expression,
    fitted,
    labelled,
    probabilities,
    two_donors,
)

FEW = {"max_iter": 8, "max_leaf_nodes": 4}


def test_its_probabilities_are_those_of_scikit_learn():
    train, other = two_donors()
    x, label = labelled(train)
    trees = HistGradientBoostingClassifier(
        learning_rate=0.3, min_samples_leaf=3, l2_regularization=0.1, early_stopping=False,
        class_weight="balanced", random_state=5, **FEW,
    ).fit(x, label)  # fmt: skip
    given = {"learning_rate": 0.3, "min_samples_leaf": 3, "l2_regularization": 0.1, **FEW}
    found = probabilities(fitted("gradient_boosting", train, **given), other)
    np.testing.assert_allclose(found, trees.predict_proba(expression(other)), atol=1e-6)


def test_every_round_that_is_asked_for_is_grown():
    """Early stopping would take training cells away, and draw them."""
    train, _ = two_donors()
    pretext = fitted("gradient_boosting", train, max_iter=13, max_leaf_nodes=3)
    assert pretext.classifier.trees.n_iter_ == 13
    assert not pretext.classifier.trees.do_early_stopping_
