"""Ridge on expression, the reference of the second modality: fitted once for the same cells, on a part of many."""

from dataclasses import replace

import numpy as np
import pytest

from sslbench.evaluation import _ridge_learner
from sslbench.evaluation._cross_modality import Material, material
from sslbench.evaluation._ridge_learner import ExpressionReference, RidgeLearner, of_embedding
from sslbench.evaluation.base import Embedded
from tests.factories import embedded_cells


@pytest.fixture(scope="module")
def parts() -> tuple[Embedded, Embedded]:
    cells = embedded_cells()
    return cells.at(np.arange(300)), cells.at(np.arange(300, 500))


def given(train: Embedded, val: Embedded, seed: int = 0) -> Material:
    return material(train, val, scale=None, generator=np.random.default_rng(seed))


def test_the_reference_is_fitted_once_for_the_same_cells_whatever_z_is(parts):
    train, val = parts
    reference = ExpressionReference()
    first = reference.fit(train, val, given(train, val))
    other_z = replace(train, z=np.zeros_like(train.z))
    assert reference.fit(other_z, val, given(other_z, val)) is first
    assert reference.fit(train, val, given(train, val, seed=1)) is not first
    fewer = train.at(np.arange(200))
    assert reference.fit(fewer, val, given(fewer, val)) is not first


def test_its_genes_are_those_that_vary_most_among_training_cells(parts, monkeypatch):
    train, _ = parts
    assert train.cells is not None
    monkeypatch.setattr(_ridge_learner, "GENES", 7)
    x = train.cells.minibatch(np.arange(len(train.z))).x.numpy()
    expected = np.sort(np.argsort(-x.std(axis=0))[:7])
    np.testing.assert_array_equal(_ridge_learner._most_variable(train.cells), expected)


def test_of_more_cells_than_allowed_it_learns_from_a_part(parts):
    train, val = parts
    known = given(train, val)
    assert known.val is not None
    whole, part = (
        RidgeLearner(of_embedding, most_cells=n).chosen(known.train, held_out=known.val)
        for n in (None, 60)
    )
    before, after = (
        np.square(
            learnt.predict(val)[slice(None), slice(None)]
            - known.measured(val.cells)[slice(None), slice(None)]  # type: ignore[arg-type]
        ).mean()
        for learnt in (whole, part)
    )
    assert before < after < 1.2
