"""Integration as a task: batches that mix score higher, and what is scored is a fixed part of the cells."""

from dataclasses import replace

import numpy as np
import pytest

from sslbench.evaluation import integration as module
from sslbench.evaluation.base import Embedded
from sslbench.evaluation.integration import Integration, Options
from sslbench.metrics.integration import integration_scores
from tests.factories import embedded_cells


def scores(cells: Embedded) -> dict[str, float]:
    task = Integration(Options())
    return task.fit(train=cells, val=cells, generator=np.random.default_rng(0))(cells).scores


def placed(*, of_type: float, of_batch: float) -> Embedded:
    """Cells whose z says their type and their batch that strongly."""
    cells = embedded_cells()
    assert cells.cells is not None
    batch = (cells.cells.batch == "b1").astype(float)
    z = of_type * np.eye(5)[cells.label] + of_batch * batch[:, None]
    z += np.random.default_rng(0).normal(size=z.shape)
    return replace(cells, z=z.astype(np.float32))


def test_it_is_the_metric_of_the_labelled_cells():
    cells = placed(of_type=3, of_batch=1)
    assert cells.cells is not None
    known = cells.label >= 0
    expected = integration_scores(
        cells.z[known].astype(float),
        labels=cells.label[known],
        batches=cells.cells.batch[known],
    )
    assert scores(cells) == pytest.approx(expected, abs=1e-9)
    assert expected["total"] == pytest.approx(0.6 * expected["bio"] + 0.4 * expected["batch"])


def test_types_that_lie_apart_and_batches_that_do_not_score_highest():
    best = scores(placed(of_type=12, of_batch=0))
    assert best["bio"] > 0.9
    assert best["ilisi"] > 0.8
    for worse in (placed(of_type=0, of_batch=0), placed(of_type=12, of_batch=12)):
        assert scores(worse)["total"] < best["total"] - 0.1


def test_cells_that_are_all_alike_keep_no_biology():
    cells = placed(of_type=3, of_batch=1)
    flat = scores(replace(cells, z=np.full_like(cells.z, 0.37)))
    assert flat["kmeans_nmi"] == flat["kmeans_ari"] == 0
    assert flat["silhouette_label"] == 0.5
    assert flat["bio"] < scores(cells)["bio"] - 0.2
    assert np.isfinite(list(flat.values())).all()


def test_many_cells_are_scored_by_a_part_of_them(monkeypatch):
    cells = placed(of_type=3, of_batch=1)
    whole = scores(cells)
    monkeypatch.setattr(module, "MOST_CELLS", 200)
    part = scores(cells)
    assert part != whole
    assert part == scores(cells)
    assert part["total"] == pytest.approx(whole["total"], abs=0.1)
