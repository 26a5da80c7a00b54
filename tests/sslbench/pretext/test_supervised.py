from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.utils.class_weight import compute_class_weight
from torch.nn.functional import cross_entropy

from sslbench.class_balance import balanced_weights
from sslbench.data.cells import Cells, CountsMatrix
from sslbench.encoders.base import build_encoder
from sslbench.errors import DataError
from sslbench.pretext.base import build_pretext

NAMES = ("T", "B", "NK", "none of these")


def some_cells(label):
    n_cells = len(label)
    counts = np.random.default_rng(0).poisson(1.0, (n_cells, 10))
    return Cells(
        counts=CountsMatrix.from_scipy(csr_matrix(counts)),
        row_ids=np.arange(n_cells),
        genes=tuple(f"g{g}" for g in range(10)),
        label=np.array(label),
        label_names=NAMES,
        donor=np.full(n_cells, ""),
        batch=np.full(n_cells, ""),
    )


def prepared(train):
    torch.manual_seed(0)
    encoder = build_encoder("linear", {"embedding_dim": 3}, n_genes=10)
    pretext = build_pretext("supervised", {}, encoder=encoder, genes=train.genes, label_names=NAMES)
    pretext.prepare(train)
    return pretext


def everything(cells):
    return cells.minibatch(np.arange(len(cells)))


def loss_of(pretext, minibatch):
    return pretext.loss(minibatch, torch.Generator()).value


def test_weights_match_scikit_learn():
    label = np.array([0, 0, 0, 0, 0, 1, 1, 2])
    theirs = compute_class_weight("balanced", classes=np.arange(3), y=label)
    ours = balanced_weights(torch.from_numpy(label), n_labels=4).numpy()
    np.testing.assert_allclose(ours, [*theirs, 0.0], rtol=1e-6)


def test_weights_ignore_unlabelled_cells():
    with_unlabelled = prepared(some_cells([0, 0, -1, 1, -1, -1]))
    without = prepared(some_cells([0, 0, 1]))
    assert torch.equal(with_unlabelled.class_weight, without.class_weight)


def test_loss_is_the_weighted_cross_entropy_of_the_labelled_cells():
    cells = some_cells([0, 0, 0, 1, -1, 2, -1, 0])
    pretext = prepared(cells)
    minibatch = everything(cells)
    known = minibatch.label >= 0
    logits = pretext.classifier(pretext.encoder(minibatch.x))
    expected = cross_entropy(logits[known], minibatch.label[known], weight=pretext.class_weight)
    torch.testing.assert_close(loss_of(pretext, minibatch), expected)


def test_an_unlabelled_cell_gives_no_gradient():
    cells = some_cells([0, 1, -1])
    pretext = prepared(cells)
    minibatch = everything(cells)
    x = minibatch.x.clone().requires_grad_()
    loss_of(pretext, replace(minibatch, view=x)).backward()
    assert x.grad[2].abs().max() == 0
    assert (x.grad[:2].abs().amax(dim=1) > 0).all()


def test_a_minibatch_without_labelled_cells_gives_zero_loss_and_gradient():
    cells = some_cells([0, 1, -1, -1])
    pretext = prepared(cells)
    loss = loss_of(pretext, cells.minibatch(np.array([2, 3])))
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad.abs().max() == 0 for p in pretext.parameters())


def test_accuracy_counts_labelled_cells_only():
    cells = some_cells([0, 1, 2, -1])
    pretext = prepared(cells)
    with torch.no_grad():
        pretext.classifier.weight.zero_()
        pretext.classifier.bias.copy_(torch.tensor([9.0, 0.0, 0.0, 0.0]))
    logs = pretext.loss(everything(cells), torch.Generator()).logs
    assert logs["accuracy"].item() == pytest.approx(1 / 3)


def test_the_classifier_maps_z_to_one_logit_a_label():
    pretext = prepared(some_cells([0, 1]))
    assert pretext.classifier(torch.zeros(5, 3)).shape == (5, len(NAMES))


@pytest.mark.parametrize("label", [[-1, -1, -1], None])
def test_cells_without_any_label_are_refused(label):
    cells = some_cells([0, 0, 0])
    cells = replace(cells, label=None if label is None else np.array(label))
    with pytest.raises(DataError, match="no training cell has one"):
        prepared(cells)
