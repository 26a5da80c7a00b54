"""The scales of a second modality against loops over cells, and that all that is fitted is fitted on training cells."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from sslbench.data.cells import Cells, CountsMatrix, Modality
from sslbench.errors import DataError
from sslbench.evaluation._modality_scale import fitted_scale, measured_positions
from tests.factories import synthetic_cells


def cells_with(counts: np.ndarray, *, kind: str) -> Cells:
    """Cells of the store whose second modality is `counts`; the last one was not measured."""
    cells = synthetic_cells(n_cells=len(counts))
    modality = Modality(
        kind=kind,
        features=tuple(f"f{i}" for i in range(counts.shape[1])),
        counts=CountsMatrix.from_scipy(csr_matrix(counts)),
        measured=np.arange(len(counts)) < len(counts) - 1,
    )
    return replace(cells, modality=modality)


@pytest.fixture
def counts() -> np.ndarray:
    found = np.random.default_rng(0).poisson(3.0, (40, 4)).astype(float)
    found[:, 3] = 2.0  # of all cells alike
    found[7] = 0.0
    return found


TRAIN, OTHER = np.arange(25), np.arange(25, 39)


def scaled(counts: np.ndarray, *, kind: str, scale: str | None) -> np.ndarray:
    cells = cells_with(counts, kind=kind)
    table = fitted_scale(cells.at(TRAIN), scale=scale)(cells.at(OTHER))  # type: ignore[arg-type]
    return table[slice(None), slice(None)]


def standardised(values: np.ndarray) -> np.ndarray:
    """By the mean and spread of the training cells."""
    mean, spread = values[TRAIN].mean(axis=0), values[TRAIN].std(axis=0)
    return (values[OTHER] - mean) / np.where(spread > 1e-9, spread, 1)


def test_proteins_are_log_counts_standardised_by_training_cells(counts):
    counts[7, 3] = 2.0
    found = scaled(counts, kind="protein", scale=None)
    np.testing.assert_allclose(found, standardised(np.log1p(counts)), atol=1e-9)
    np.testing.assert_allclose(found[:, 3], 0, atol=1e-9)  # no spread: moved to 0 only


def test_the_centred_log_ratio_takes_each_cells_mean_away(counts):
    slow = np.array(
        [[math.log1p(v) - sum(map(math.log1p, row)) / 4 for v in row] for row in counts]
    )
    found = scaled(counts, kind="protein", scale="clr")
    np.testing.assert_allclose(found, standardised(slow), atol=1e-9)


def test_peaks_are_open_or_not_and_are_not_standardised(counts):
    found = scaled(counts, kind="peaks", scale=None)
    np.testing.assert_array_equal(found, counts[OTHER] > 0)


def test_tf_idf_counts_the_training_cells_that_have_a_peak(counts):
    n_with = (counts[TRAIN] > 0).sum(axis=0)
    slow = np.zeros_like(counts)
    for c, row in enumerate(counts):
        for f, count in enumerate(row):
            idf = len(TRAIN) / (1 + n_with[f])
            slow[c, f] = math.log1p(1e4 * count / max(row.sum(), 1) * idf)
    np.testing.assert_allclose(scaled(counts, kind="peaks", scale="tfidf"), slow[OTHER])


@pytest.mark.parametrize(
    "kind, scale", [("protein", "log1p"), ("protein", "clr"), ("peaks", "tfidf")]
)
def test_other_cells_change_no_value_of_a_cell(counts, kind, scale):
    changed = counts.copy()
    changed[OTHER[1:]] += 5
    before, after = (scaled(c, kind=kind, scale=scale) for c in (counts, changed))
    np.testing.assert_array_equal(after[0], before[0])


def test_cells_that_were_not_measured_are_left_out_by_position(counts):
    cells = cells_with(counts, kind="protein").at(np.array([39, 3, 0]))
    assert measured_positions(cells).tolist() == [1, 2]


def test_a_data_set_without_a_second_modality_is_refused():
    with pytest.raises(DataError, match="second modality") as refused:
        measured_positions(synthetic_cells(n_cells=30))
    assert refused.value.code == "D310"
