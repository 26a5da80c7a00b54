"""Proteins from z: well where z carries them, like the mean predictor where it does not, always with both beside it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.stats import pearsonr
from sklearn.linear_model import Ridge

from sslbench.data.cells import Cells
from sslbench.errors import DataError
from sslbench.evaluation._ridge import PENALTIES
from sslbench.evaluation.base import Embedded, Evaluation
from sslbench.evaluation.cross_modality import CrossModality, Options
from tests.factories import embedded_cells


def cells_of(embedded: Embedded) -> Cells:
    assert embedded.cells is not None
    return embedded.cells


def proteins(embedded: Embedded) -> np.ndarray:
    """Log counts (n_cells, n_features)."""
    cells = cells_of(embedded)
    assert cells.modality is not None
    return np.log1p(cells.modality.counts.rows(cells.row_ids).astype(float))


def is_measured(embedded: Embedded) -> np.ndarray:
    cells = cells_of(embedded)
    assert cells.modality is not None
    return cells.modality.measured[cells.row_ids]


def seen_as(embedded: Embedded, z: np.ndarray) -> Embedded:
    return replace(embedded, z=z.astype(np.float32))


def unmeasured(embedded: Embedded) -> Embedded:
    cells = cells_of(embedded)
    assert cells.modality is not None
    measured = cells.modality.measured.copy()
    measured[cells.row_ids] = False
    return replace(
        embedded, cells=replace(cells, modality=replace(cells.modality, measured=measured))
    )


def fitted(train: Embedded, val: Embedded, **options: object):
    task = CrossModality(Options.model_validate(options))
    return task.fit(train=train, val=val, generator=np.random.default_rng(0))


def scored(parts: list[Embedded], **options: object) -> Evaluation:
    train, val, test = parts
    return fitted(train, val, **options)(test)


@pytest.fixture(scope="module")
def parts() -> list[Embedded]:
    cells = embedded_cells()
    order = np.random.default_rng(0).permutation(len(cells.z))
    return [cells.at(part) for part in np.split(order, [300, 430])]


@pytest.fixture(scope="module")
def carried(parts) -> list[Embedded]:
    """The proteins themselves, mixed, as the embedding."""
    mixing = np.random.default_rng(5).normal(size=(10, 10))
    return [seen_as(part, proteins(part) @ mixing) for part in parts]


@pytest.mark.parametrize("head, least", [("ridge", 0.99), ("mlp", 0.9)])
@pytest.mark.parametrize("scale", ["log1p", "clr"])
def test_proteins_that_z_carries_are_predicted_and_better_than_by_the_mean(
    carried, head, least, scale
):
    found = scored(carried, head=head, scale=scale).scores
    assert found["pearson_per_feature"] > least
    assert found["pearson_pooled"] > max(found["mean_predictor_pearson_pooled"], 0) + 0.3
    assert found["pearson_per_feature"] > found["expression_ridge_pearson_per_feature"]


@pytest.mark.parametrize("head", ["ridge", "mlp"])
def test_of_noise_nothing_is_predicted(parts, head):
    random = np.random.default_rng(3)
    noise = [seen_as(part, random.normal(size=part.z.shape)) for part in parts]
    found = scored(noise, head=head).scores
    assert abs(found["pearson_per_feature"]) < 0.1
    assert found["expression_ridge_pearson_per_feature"] > 0.6


def test_the_same_z_for_all_cells_is_the_mean_predictor(parts):
    found = scored([seen_as(part, np.full((len(part.z), 8), 0.37)) for part in parts]).scores
    mean = proteins(parts[0])[is_measured(parts[0])].mean(axis=0)
    truth = proteins(parts[2])[is_measured(parts[2])]
    pooled = pearsonr(truth.ravel(), np.tile(mean, len(truth))).statistic
    assert found["pearson_per_feature"] == 0
    assert found["mean_predictor_pearson_pooled"] == pytest.approx(pooled, abs=1e-6)
    assert found["pearson_pooled"] == pytest.approx(pooled, abs=1e-6)
    assert found["mse"] == pytest.approx(np.square(truth - mean).mean(), abs=1e-6)


def test_scores_are_those_of_ridge_of_scikit_learn_with_the_penalty_chosen_on_validation(parts):
    (z, y), (z_val, y_val), (z_test, y_test) = (
        (part.z[is_measured(part)].astype(float), proteins(part)[is_measured(part)])
        for part in parts
    )
    units = [(v - z.mean(axis=0)) / z.std(axis=0) for v in (z, z_val, z_test)]
    scale = y.std(axis=0)
    models = [Ridge(alpha=p * len(z)).fit(units[0], y / scale) for p in PENALTIES]
    errors = [np.square(m.predict(units[1]) - y_val / scale).mean() for m in models]
    predicted = models[int(np.argmin(errors))].predict(units[2]) * scale
    found = scored(parts).scores
    per_feature = [pearsonr(t, p).statistic for t, p in zip(y_test.T, predicted.T)]
    assert found["pearson_per_feature"] == pytest.approx(np.mean(per_feature), abs=1e-5)
    per_cell = [pearsonr(t, p).statistic for t, p in zip(y_test, predicted)]
    assert found["pearson_per_cell"] == pytest.approx(np.mean(per_cell), abs=1e-5)
    assert found["mse"] == pytest.approx(np.square(y_test - predicted).mean(), abs=1e-5)


def test_no_arm_changes_what_expression_itself_reaches(parts, carried):
    name = "expression_ridge_pearson_per_feature"
    assert scored(parts).scores[name] == scored(carried).scores[name]


def test_a_protein_that_does_not_vary_is_left_out_of_the_ranking(parts):
    def with_constant(part: Embedded, value: int) -> Embedded:
        cells = cells_of(part)
        assert cells.modality is not None
        counts = cells.modality.counts
        dense = np.where(np.arange(10) == 4, value, counts.rows(np.arange(counts.shape[0])))
        same = type(counts).from_scipy(csr_matrix(dense))
        return replace(part, cells=replace(cells, modality=replace(cells.modality, counts=same)))

    varying = [g for g in range(10) if g != 4]
    for value in (0, 7):
        found = scored([with_constant(part, value) for part in parts]).scores
        assert np.isfinite(list(found.values())).all()
        truth = proteins(parts[2])[is_measured(parts[2])]
        assert truth[:, varying].std(axis=0).min() > 0
        assert found["pearson_per_feature"] > 0.4  # a tenth less if it counted as 0


def test_cells_that_were_not_measured_are_neither_fitted_on_nor_scored(parts):
    known = [part.at(np.flatnonzero(is_measured(part))) for part in parts]
    assert scored(known).scores == pytest.approx(scored(parts).scores, abs=1e-9)


@pytest.mark.parametrize("head", ["ridge", "mlp"])
def test_without_measured_validation_cells_five_parts_of_training_cells_choose(carried, head):
    train, val, test = carried
    evaluate = fitted(train, unmeasured(val), head=head)
    instead = evaluate(unmeasured(val))
    assert instead.scores["pearson_per_feature"] > 0.85
    assert instead.per_unit is None
    assert evaluate(test).scores["pearson_per_feature"] > 0.85


def test_out_of_fold_scores_are_of_cells_that_the_fit_did_not_see(parts):
    """Noise of many dimensions fits training cells perfectly, and others not at all."""
    random = np.random.default_rng(3)
    train, val, _ = [seen_as(part, random.normal(size=(len(part.z), 250))) for part in parts]
    found = fitted(train, unmeasured(val))(unmeasured(val)).scores
    assert abs(found["pearson_per_feature"]) < 0.15


def test_cells_of_which_none_was_measured_are_refused_unless_they_are_the_validation_cells(parts):
    train, val, test = parts
    for evaluate in (fitted(train, unmeasured(val)), fitted(train, val)):
        with pytest.raises(DataError) as refused:
            evaluate(unmeasured(test))
        assert refused.value.code == "D322"


def test_too_few_measured_training_cells_are_refused(parts):
    train, val, _ = parts
    few = np.flatnonzero(is_measured(train))[:9]
    for cells in (train.at(few), unmeasured(train)):
        with pytest.raises(DataError) as refused:
            fitted(cells, val)
        assert refused.value.code == "D321"


def test_units_are_donors_and_per_unit_is_the_ranking_score_of_each(parts):
    found = scored(parts)
    assert found.per_unit is not None
    assert found.per_unit.shape == (2,)
    assert found.per_unit.mean() == pytest.approx(found.scores["pearson_per_feature"], abs=0.1)


def test_peaks_are_predicted_open_or_not(parts):
    def as_peaks(part: Embedded) -> Embedded:
        cells = cells_of(part)
        assert cells.modality is not None
        modality = replace(cells.modality, kind="peaks", counts=cells.counts)
        return replace(part, cells=replace(cells, modality=modality))

    found = scored([as_peaks(part) for part in parts]).scores
    assert found["expression_ridge_pearson_per_feature"] > 0.4  # of genes it is expressed or not
    assert 0 < found["mse"] < 0.25
    tfidf = scored([as_peaks(part) for part in parts], scale="tfidf").scores
    assert tfidf["mse"] != found["mse"]
