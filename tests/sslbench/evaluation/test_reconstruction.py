"""Expression from z: all of what z is linear in, none of what it does not carry, scored as scikit-learn does."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.linear_model import Ridge
from sklearn.metrics import explained_variance_score, mean_squared_error

from sslbench.data.cells import Cells
from sslbench.evaluation import _reconstruction_scores
from sslbench.evaluation._reconstruction_scores import reconstruction_evaluation
from sslbench.evaluation.base import Embedded, Evaluation
from sslbench.evaluation.reconstruction import Options, Reconstruction
from tests.factories import embedded_cells, synthetic_cells


def expression(embedded: Embedded) -> np.ndarray:
    assert embedded.cells is not None
    return embedded.cells.minibatch(np.arange(len(embedded.z))).x.numpy()


def seen_as(embedded: Embedded, z: np.ndarray) -> Embedded:
    return replace(embedded, z=z.astype(np.float32))


def scored(train: Embedded, val: Embedded, test: Embedded) -> Evaluation:
    fitted = Reconstruction(Options()).fit(train=train, val=val, generator=np.random.default_rng(0))
    return fitted(test)


@pytest.fixture(scope="module")
def parts() -> list[Embedded]:
    cells = embedded_cells()
    order = np.random.default_rng(0).permutation(len(cells.z))
    return [cells.at(part) for part in np.split(order, [300, 430])]


def test_expression_itself_as_embedding_explains_all_of_it(parts):
    found = scored(*(seen_as(part, expression(part)) for part in parts)).scores
    assert found["explained_variance"] > 0.999
    assert found["explained_variance_uniform"] > 0.999
    assert found["pearson"] > 0.999
    assert found["mse"] < 1e-3


def test_noise_explains_nothing(parts):
    random = np.random.default_rng(3)
    noisy = [seen_as(part, random.normal(size=part.z.shape)) for part in parts]
    found = scored(*noisy).scores
    assert found["explained_variance"] == pytest.approx(0, abs=0.02)
    assert abs(found["pearson"]) < 0.05


def test_scores_are_those_of_scikit_learn_and_scipy_gene_by_gene(parts):
    train, val, test = parts
    truth = expression(test).astype(float)
    slow = [
        Ridge(alpha=10.0**power * len(train.z)).fit(_units(train, train), expression(train))
        for power in range(-5, 4)
    ]
    errors = [np.square(m.predict(_units(val, train)) - expression(val)).mean() for m in slow]
    predicted = slow[int(np.argmin(errors))].predict(_units(test, train))
    found = scored(*parts).scores
    expected = {
        "explained_variance": explained_variance_score(
            truth, predicted, multioutput="variance_weighted"
        ),
        "explained_variance_uniform": explained_variance_score(
            truth, predicted, multioutput="uniform_average"
        ),
        "mse": mean_squared_error(truth, predicted),
        "pearson": np.mean([pearsonr(y, p).statistic for y, p in zip(truth.T, predicted.T)]),
    }
    assert found == pytest.approx(expected, abs=1e-5)


def _units(cells: Embedded, train: Embedded) -> np.ndarray:
    z = train.z.astype(float)
    return (cells.z.astype(float) - z.mean(axis=0)) / z.std(axis=0)


def test_blocks_of_cells_change_no_score(parts, monkeypatch):
    whole = scored(*parts)
    monkeypatch.setattr("sslbench.evaluation._expression.BLOCK_VALUES", 60 * 7)
    blocks = scored(*parts)
    assert blocks.scores == pytest.approx(whole.scores, abs=1e-9)
    np.testing.assert_allclose(blocks.per_unit, whole.per_unit, atol=1e-9)


def with_a_silent_gene() -> Cells:
    cells = synthetic_cells(n_cells=80)
    silent = replace(
        cells.counts, values=np.where(cells.counts.indices == 3, 0, cells.counts.values)
    )
    return replace(cells, counts=silent)


def test_genes_that_do_not_vary_are_left_out_of_the_means_over_genes():
    cells = with_a_silent_gene()
    x = cells.minibatch(np.arange(80)).x.numpy()
    off = x + np.random.default_rng(0).normal(size=x.shape)
    found = reconstruction_evaluation(cells, lambda index: off[index]).scores
    varying = np.arange(60) != 3
    slow = [pearsonr(x[:, g], off[:, g]).statistic for g in np.flatnonzero(varying)]
    assert found["pearson"] == pytest.approx(np.mean(slow), abs=1e-6)
    uniform = explained_variance_score(x[:, varying], off[:, varying])
    assert found["explained_variance_uniform"] == pytest.approx(uniform, abs=1e-6)


def test_a_donor_is_a_unit_and_its_mean_is_its_own():
    """What is explained of a donor is what varies among its cells, not how it differs from others."""
    cells = synthetic_cells(n_cells=80, donor_effect=3.0)
    x = cells.minibatch(np.arange(80)).x.numpy()
    mean = {d: x[cells.donor == d].mean(axis=0) for d in np.unique(cells.donor)}
    of_donor = np.stack([mean[d] for d in cells.donor])
    found = reconstruction_evaluation(cells, lambda index: of_donor[index])
    assert found.scores["explained_variance"] > 0.2
    np.testing.assert_allclose(found.per_unit, 0, atol=1e-6)
    assert _reconstruction_scores.RECONSTRUCTION_METRICS.keys() == found.scores.keys()
