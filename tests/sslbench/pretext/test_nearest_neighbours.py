import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from sslbench.errors import DataError
from sslbench.neighbours import neighbour_votes
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


@pytest.mark.parametrize("k", [1, 7, 30])
def test_on_genes_its_votes_are_those_of_scikit_learn(k):
    train, other = two_donors()
    x, label = labelled(train)
    theirs = KNeighborsClassifier(k).fit(x, label).predict_proba(expression(other))
    found = probabilities(fitted("nearest_neighbours", train, k=k), other)
    np.testing.assert_allclose(found, theirs, atol=0.3 / len(x))


@pytest.mark.parametrize("k", [2, 4, 7])
def test_the_largest_logit_is_the_label_that_the_protocol_knn_gives_ties_included(k):
    train, other = two_donors()
    x, label = labelled(train)
    votes = neighbour_votes(expression(other), reference=x, label=label, n_labels=4, k=k)
    assert (np.sort(votes.share)[:, -1] == np.sort(votes.share)[:, -2]).any() or k == 7
    found = logits_of(fitted("nearest_neighbours", train, k=k), other)
    np.testing.assert_array_equal(found.argmax(axis=1), votes.winner)


def test_on_a_linear_encoder_distances_are_of_principal_components():
    train, other = two_donors()
    train = train.labelled()
    x, label = labelled(train)
    components = PCA(8, svd_solver="full").fit(x)
    theirs = KNeighborsClassifier(5).fit(components.transform(x), label)
    found = probabilities(fitted("nearest_neighbours", train, encoder="linear", k=5), other)
    expected = theirs.predict_proba(components.transform(expression(other)))
    np.testing.assert_allclose(found, expected, atol=0.3 / len(x))


def test_a_label_without_training_cells_is_never_given_and_its_logit_is_finite():
    train, other = two_donors()
    logits = logits_of(fitted("nearest_neighbours", without_type(train, UNSEEN)), other)
    assert np.isfinite(logits).all()
    assert UNSEEN not in logits.argmax(axis=1)


def test_the_training_cells_that_vote_are_in_no_state_that_could_be_saved():
    train, _ = two_donors()
    pretext = fitted("nearest_neighbours", train)
    assert not pretext.classifier.state_dict()
    assert not pretext.leaves_checkpoint


def test_without_a_label_it_is_one_clear_error():
    train, _ = two_donors()
    with pytest.raises(DataError, match="no training cell has one"):
        fitted("nearest_neighbours", train.without_labels())
