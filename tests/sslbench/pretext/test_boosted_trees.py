"""What every arm of boosted trees keeps, whichever package grows them."""

import numpy as np
import pytest

from sslbench.errors import ConfigError, DataError
from sslbench.metrics.classification import macro_f1
from tests.sslbench.pretext.classifiers import UNSEEN, fitted, logits_of, two_donors, without_type

FEW = {
    "gradient_boosting": {"max_iter": 8, "max_leaf_nodes": 4},
    "lightgbm": {"n_estimators": 8, "num_leaves": 4},
}
EVERY = pytest.mark.parametrize("name", FEW)


@EVERY
def test_it_tells_types_apart_that_it_was_not_fitted_on(name):
    train, other = two_donors()
    predicted = logits_of(fitted(name, train, **FEW[name]), other).argmax(axis=1)
    assert macro_f1(truth=other.label, predicted=predicted, n_labels=4) > 0.6


@EVERY
def test_a_label_without_training_cells_is_never_given_and_its_logit_is_finite(name):
    train, other = two_donors()
    logits = logits_of(fitted(name, without_type(train, UNSEEN), **FEW[name]), other)
    assert np.isfinite(logits).all()
    assert UNSEEN not in logits.argmax(axis=1)


@EVERY
def test_two_labels_have_two_probabilities(name):
    """Packages keep one set of trees for two labels."""
    train, other = two_donors()
    two = without_type(without_type(train, UNSEEN), 0)
    assert set(logits_of(fitted(name, two, **FEW[name]), other).argmax(axis=1)) == {1, 3}


@EVERY
def test_where_all_training_cells_have_one_label_everyone_gets_it(name):
    train, other = two_donors()
    only = train.at(np.flatnonzero(train.label == 1))
    assert set(logits_of(fitted(name, only, **FEW[name]), other).argmax(axis=1)) == {1}


@EVERY
def test_its_seed_comes_from_the_stream_of_the_trial(name):
    train, _ = two_donors()
    seeds = [
        fitted(name, train, seed=seed, **FEW[name]).classifier.trees.random_state
        for seed in (0, 0, 1)
    ]
    assert seeds[0] == seeds[1] != seeds[2]


@EVERY
def test_it_works_on_genes_alone_and_needs_labels(name):
    train, _ = two_donors()
    with pytest.raises(ConfigError, match="expression itself"):
        fitted(name, train, encoder="linear")
    with pytest.raises(DataError, match="no training cell has one"):
        fitted(name, train.without_labels())
