import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sslbench.errors import ConfigError, DataError
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


def reference(x, label, *, c, n_components=None):
    steps = [PCA(n_components, svd_solver="full")] if n_components else []
    regression = LogisticRegression(C=c, class_weight="balanced", max_iter=2000)
    return make_pipeline(*steps, StandardScaler(), regression).fit(x, label)


@pytest.mark.parametrize("c", [0.01, 1.0])
def test_on_genes_it_is_scikit_learns_balanced_regression_of_standardised_genes(c):
    train, other = two_donors()
    found = probabilities(fitted("logistic_regression", train, c=c), other)
    theirs = reference(*labelled(train), c=c).predict_proba(expression(other))
    np.testing.assert_allclose(found, theirs, atol=5e-3)
    assert (found.argmax(axis=1) == theirs.argmax(axis=1)).mean() > 0.99


def test_on_a_linear_encoder_it_works_on_principal_components_of_the_training_cells():
    train, other = two_donors()
    train = train.labelled()  # what a trial shows it
    found = probabilities(fitted("logistic_regression", train, encoder="linear"), other)
    theirs = reference(*labelled(train), c=1.0, n_components=8)
    np.testing.assert_allclose(found, theirs.predict_proba(expression(other)), atol=5e-3)


def test_of_two_labels_the_one_row_that_scikit_learn_keeps_becomes_two():
    train, other = two_donors(n_types=2)
    found = probabilities(fitted("logistic_regression", train), other)
    theirs = reference(*labelled(train), c=1.0).predict_proba(expression(other))
    np.testing.assert_allclose(found, theirs, atol=5e-3)


def test_a_label_without_training_cells_is_never_given_and_its_logit_is_finite():
    train, other = two_donors()
    logits = logits_of(fitted("logistic_regression", without_type(train, UNSEEN)), other)
    assert np.isfinite(logits).all()
    assert UNSEEN not in logits.argmax(axis=1)


def test_where_all_training_cells_have_one_label_everyone_gets_it():
    train, other = two_donors()
    only = train.at(np.flatnonzero(train.label == 1))
    assert set(logits_of(fitted("logistic_regression", only), other).argmax(axis=1)) == {1}


def test_unlabelled_training_cells_change_nothing_on_genes():
    train, other = two_donors()
    with_them = logits_of(fitted("logistic_regression", train), other)
    without = logits_of(fitted("logistic_regression", train.labelled()), other)
    np.testing.assert_array_equal(with_them, without)


def test_its_classifier_is_one_linear_layer_of_finite_weights():
    train, _ = two_donors()
    classifier = fitted("logistic_regression", train).classifier
    assert isinstance(classifier, torch.nn.Linear)
    assert all(p.isfinite().all() for p in classifier.parameters())


def test_fewer_cells_than_components_are_enough():
    train, other = two_donors()
    few = train.labelled().at(np.arange(5))
    pretext = fitted("logistic_regression", few, encoder="linear", dim=32)
    assert (pretext.encoder.get_submodule("projection").weight[5:] == 0).all()
    assert np.isfinite(logits_of(pretext, other)).all()


def test_without_a_label_it_is_one_clear_error():
    train, _ = two_donors()
    with pytest.raises(DataError, match="no training cell has one") as caught:
        fitted("logistic_regression", train.without_labels())
    assert caught.value.code == "D301"


def test_an_encoder_that_nothing_would_train_is_refused():
    train, _ = two_donors()
    with pytest.raises(ConfigError, match=r"logistic_regression needs .* got MLP"):
        fitted("logistic_regression", train, encoder="mlp")


def test_it_has_no_loss():
    train, _ = two_donors()
    with pytest.raises(RuntimeError, match="gradient_free"):
        fitted("logistic_regression", train).loss(train.minibatch(np.arange(2)), torch.Generator())
