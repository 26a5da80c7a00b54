"""Zero-shot kNN: who votes, and how many."""

import numpy as np

from sslbench.evaluation.base import Embedded
from sslbench.evaluation.knn import Knn, Options


def test_unlabelled_training_cells_do_not_vote():
    z = np.array([[0.0], [0.1], [3.0]], dtype=np.float32)
    train = Embedded(z=z, label=np.array([-1, -1, 1]), label_names=("a", "b"))
    cell = Embedded(z=z[:1], label=np.array([1]), label_names=("a", "b"))
    fitted = Knn(Options(k=1)).fit(train=train, val=cell, generator=np.random.default_rng(0))
    found = fitted(cell)
    assert found.predicted is not None
    assert found.predicted.tolist() == [1]


def test_k_is_how_many_vote():
    z = np.array([[0.0], [0.2], [0.3], [9.0]], dtype=np.float32)
    train = Embedded(z=z, label=np.array([0, 1, 1, 0]), label_names=("a", "b"))
    cell = Embedded(z=z[:1], label=np.array([0]), label_names=("a", "b"))
    for k, expected in ((1, 0), (3, 1)):
        fitted = Knn(Options(k=k)).fit(train=train, val=cell, generator=np.random.default_rng(0))
        assert fitted(cell).scores["accuracy"] == float(expected == 0)
