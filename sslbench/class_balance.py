"""Cross-entropy in which every label weighs the same: how anything here learns cell types, because macro F1 ranks."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from sslbench.data.cells import UNLABELLED


def balanced_weights(label: Tensor, *, n_labels: int) -> Tensor:
    """Return weights (n_labels,) `n_cells / (n_present * count)`; 0 for a label without cells.

    `label` (n_cells,) holds codes 0 … n_labels - 1. Each label that is present carries the same total
    weight, and the mean weight of a cell is 1.
    """
    count = torch.bincount(label, minlength=n_labels)
    n_present = (count > 0).sum()
    return torch.where(count > 0, len(label) / (n_present * count.clamp(min=1)), 0.0)


def balanced_cross_entropy(logits: Tensor, label: Tensor, *, weight: Tensor) -> Tensor:
    """Return the weighted mean cross-entropy () of the labelled cells, 0 if there are none.

    `logits` is (n_cells, n_labels), `label` (n_cells,) codes with -1 for unlabelled cells, `weight`
    (n_labels,).
    """
    losses = cross_entropy(logits, label, weight=weight, ignore_index=UNLABELLED, reduction="none")
    total = (weight[label] * (label != UNLABELLED)).sum()
    return losses.sum() / total.where(total > 0, 1.0)


def accuracy_of(logits: Tensor, label: Tensor) -> Tensor:
    """Return the fraction () of the labelled cells whose largest logit is their label; 0 if there are none."""
    known = label != UNLABELLED
    correct = (logits.detach().argmax(dim=1) == label) & known
    return correct.sum() / known.sum().clamp(min=1)
