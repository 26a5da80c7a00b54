import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from sslbench.errors import ConfigError, DataError
from sslbench.metrics.classification import macro_f1
from tests.sslbench.pretext.classifiers import (
    UNSEEN,
    expression,
    fitted,
    labelled,
    logits_of,
    probabilities,
    two_donors,
    without_type,
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


def test_it_tells_types_apart_that_it_was_not_fitted_on():
    train, other = two_donors()
    predicted = logits_of(fitted("gradient_boosting", train, **FEW), other).argmax(axis=1)
    assert macro_f1(truth=other.label, predicted=predicted, n_labels=4) > 0.6


def test_every_round_that_is_asked_for_is_grown():
    """Early stopping would take training cells away, and draw them."""
    train, _ = two_donors()
    pretext = fitted("gradient_boosting", train, max_iter=13, max_leaf_nodes=3)
    assert pretext.classifier.trees.n_iter_ == 13
    assert not pretext.classifier.trees.do_early_stopping_


def test_a_label_without_training_cells_is_never_given_and_its_logit_is_finite():
    train, other = two_donors()
    logits = logits_of(fitted("gradient_boosting", without_type(train, UNSEEN), **FEW), other)
    assert np.isfinite(logits).all()
    assert UNSEEN not in logits.argmax(axis=1)


def test_where_all_training_cells_have_one_label_everyone_gets_it():
    train, other = two_donors()
    only = train.at(np.flatnonzero(train.label == 1))
    assert set(logits_of(fitted("gradient_boosting", only, **FEW), other).argmax(axis=1)) == {1}


def test_its_seed_comes_from_the_stream_of_the_trial():
    train, _ = two_donors()
    seeds = [
        fitted("gradient_boosting", train, seed=seed, **FEW).classifier.trees.random_state
        for seed in (0, 0, 1)
    ]
    assert seeds[0] == seeds[1] != seeds[2]


def test_it_works_on_genes_alone_and_needs_labels():
    train, _ = two_donors()
    with pytest.raises(ConfigError, match="expression itself"):
        fitted("gradient_boosting", train, encoder="linear")
    with pytest.raises(DataError, match="no training cell has one"):
        fitted("gradient_boosting", train.without_labels())
