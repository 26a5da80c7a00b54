from dataclasses import replace

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier

from sslbench.errors import DataError
from tests.sslbench.pretext.classifiers import (
    expression,
    fitted,
    labelled,
    logits_of,
    probabilities,
    two_donors,
)


def test_every_cell_gets_the_most_frequent_training_label():
    train, other = two_donors()
    some = train.at(np.flatnonzero((train.label != 3) | (np.arange(len(train)) % 2 == 0)))
    theirs = DummyClassifier(strategy="most_frequent").fit(*labelled(some))
    found = logits_of(fitted("majority", some), other).argmax(axis=1)
    np.testing.assert_array_equal(found, theirs.predict(expression(other)))


def test_unlabelled_cells_do_not_count():
    train, other = two_donors()
    common = np.bincount(train.label[train.label >= 0]).argmax()
    hidden = replace(train, label=np.where(train.label == common, -1, train.label))
    assert common not in logits_of(fitted("majority", hidden), other).argmax(axis=1)


def test_its_probabilities_are_the_frequencies_of_training_labels():
    train, other = two_donors()
    count = np.bincount(labelled(train)[1], minlength=4)
    found = probabilities(fitted("majority", train), other)
    np.testing.assert_allclose(found, np.tile(count / count.sum(), (len(other), 1)), atol=0.01)


def test_of_equally_frequent_labels_the_lowest_code_is_given():
    train, other = two_donors()
    even = np.concatenate([np.flatnonzero(train.label == code)[:9] for code in (3, 1, 2)])
    assert set(logits_of(fitted("majority", train.at(even)), other).argmax(axis=1)) == {1}


def test_without_a_label_it_is_one_clear_error():
    train, _ = two_donors()
    with pytest.raises(DataError, match="no training cell has one"):
        fitted("majority", train.without_labels())
