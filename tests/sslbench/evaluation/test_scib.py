"""The whole of scIB as a task: the same cells as `integration` has, expression beside them, and its package missing."""

import numpy as np
import pytest

from sslbench.errors import SetupError
from sslbench.evaluation import scib as module
from sslbench.evaluation.scib import Options, Scib
from sslbench.metrics import scib as metric
from tests.factories import embedded_cells


def test_it_hands_over_the_labelled_cells_their_batches_as_codes_and_their_expression(monkeypatch):
    given = {}

    def fake_scores(z, *, labels, batches, expression):
        given.update(z=z, labels=labels, batches=batches, expression=expression)
        return dict.fromkeys(Scib.metrics, 0.5)

    monkeypatch.setattr(module, "refuse_missing_package", lambda: None)
    monkeypatch.setattr(module, "scib_scores", fake_scores)
    cells = embedded_cells()
    assert cells.cells is not None
    task = Scib(Options())
    found = task.fit(train=cells, val=cells, generator=np.random.default_rng(0))(cells)
    known = np.flatnonzero(cells.label >= 0)
    np.testing.assert_array_equal(given["z"], cells.z[known])
    np.testing.assert_array_equal(given["labels"], cells.label[known])
    np.testing.assert_array_equal(given["batches"], cells.cells.batch[known] == "b1")
    x = cells.cells.minibatch(known).x.numpy()
    np.testing.assert_array_equal(given["expression"].toarray(), x)
    assert found.scores == dict.fromkeys(Scib.metrics, 0.5)


def test_a_missing_package_is_said_when_the_task_is_built(monkeypatch):
    monkeypatch.setattr(metric, "find_spec", lambda name: None)
    with pytest.raises(SetupError, match="scib-metrics"):
        Scib(Options())
