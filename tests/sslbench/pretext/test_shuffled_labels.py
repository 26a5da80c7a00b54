from dataclasses import replace

import numpy as np

from sslbench.metrics.classification import macro_f1
from sslbench.pretext import shuffled_labels
from tests.sslbench.pretext.classifiers import fitted, logits_of, probabilities, two_donors


def test_it_is_the_regression_of_permuted_labels():
    train, other = two_donors()
    train = train.labelled()
    pretext = fitted("shuffled_labels", train, encoder="linear")
    order = np.random.default_rng(pretext.seed).permutation(len(train))
    permuted = replace(train, label=train.label[order])
    theirs = probabilities(fitted("logistic_regression", permuted, encoder="linear"), other)
    np.testing.assert_allclose(probabilities(pretext, other), theirs, atol=1e-6)


def test_the_labels_that_are_permuted_are_those_of_the_labelled_training_cells(monkeypatch):
    train, _ = two_donors()
    seen = []

    def spy(z, label, *, c):
        seen.append(label)
        return original(z, label, c=c)

    original = shuffled_labels.fit_probe
    monkeypatch.setattr(shuffled_labels, "fit_probe", spy)
    fitted("shuffled_labels", train, encoder="linear")
    given = train.label[train.label >= 0]
    assert sorted(seen[0]) == sorted(given)
    assert 0.1 < (seen[0] == given).mean() < 0.5


def test_every_seed_is_another_permutation_and_the_same_seed_the_same():
    train, other = two_donors()
    first, again, second = (
        logits_of(fitted("shuffled_labels", train, encoder="linear", seed=seed), other)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first.argmax(axis=1) != second.argmax(axis=1)).any()


def test_it_scores_as_chance_does_on_cells_that_the_regression_tells_apart():
    train, other = two_donors()

    def score(name, seed):
        pretext = fitted(name, train, encoder="linear", seed=seed)
        predicted = logits_of(pretext, other).argmax(axis=1)
        return macro_f1(truth=other.label, predicted=predicted, n_labels=4)

    shuffled = np.mean([score("shuffled_labels", seed) for seed in range(8)])
    assert shuffled < 0.35
    assert score("logistic_regression", 0) > 0.7
