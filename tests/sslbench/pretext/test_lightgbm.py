import numpy as np
import pytest
import torch
from lightgbm import LGBMClassifier

from sslbench.errors import SetupError
from sslbench.pretext import _extras
from tests.sslbench.pretext.classifiers import (
    expression,
    fitted,
    labelled,
    logits_of,
    probabilities,
    two_donors,
)

FEW = {"n_estimators": 8, "num_leaves": 4}


def test_its_probabilities_are_those_of_lightgbm():
    train, other = two_donors()
    x, label = labelled(train)
    given = {"learning_rate": 0.3, "min_child_samples": 3, "reg_lambda": 0.1, **FEW}
    trees = LGBMClassifier(**given, class_weight="balanced", n_jobs=1, verbosity=-1).fit(x, label)
    found = probabilities(fitted("lightgbm", train, **given), other)
    np.testing.assert_allclose(found, trees.predict_proba(expression(other)), atol=1e-5)


def test_every_round_that_is_asked_for_is_grown():
    train, _ = two_donors()
    trees = fitted("lightgbm", train, n_estimators=13, num_leaves=3).classifier.trees
    assert trees.booster_.current_iteration() == 13


def test_trees_that_see_a_part_of_the_genes_are_drawn_by_the_seed_alone():
    train, other = two_donors()
    given = {"colsample_bytree": 0.2, **FEW}
    first, again, another = (
        logits_of(fitted("lightgbm", train, seed=seed, **given), other) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != another).any()


def test_it_takes_the_threads_of_the_trial_and_they_change_nothing():
    train, other = two_donors()
    before, logits = torch.get_num_threads(), []
    try:
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            pretext = fitted("lightgbm", train, **FEW)
            logits.append(logits_of(pretext, other))
            assert pretext.classifier.trees.n_jobs == n_threads
            assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(*logits)


def test_a_missing_package_is_one_error_that_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(_extras, "find_spec", lambda name: None)
    train, _ = two_donors()
    with pytest.raises(SetupError, match="needs the package lightgbm") as refused:
        fitted("lightgbm", train)
    assert refused.value.code == "S061"
    assert "pip install 'sslbench[lightgbm]'" in (refused.value.fix or "")
