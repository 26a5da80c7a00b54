"""Boosted trees as a classifier on genes: what trees of any package need to be scored by their own predictions."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from sslbench.pretext._reference import Reference

LEAST = 1e-12  # probability of a label without training cells: its logit stays finite


class ProbabilisticClassifier(Protocol):
    """What scikit-learn's classifiers have in common."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> object:
        """Fit on x (n_cells, n_genes) and codes y (n_cells,)."""

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """Return probabilities (n_cells, n_known) of the codes seen, in ascending order."""


class BoostedTrees(nn.Module):
    """Logits are the logarithms of the trees' probabilities."""

    def __init__(self, trees: ProbabilisticClassifier, *, n_labels: int) -> None:
        super().__init__()
        self.trees, self.n_labels = trees, n_labels
        self.known = np.empty(0, dtype=np.int64)  # (n_known,) codes of the labels that it can give

    def fit(self, reference: Reference) -> None:
        """Grow the trees; there are none where all cells have one label."""
        self.known = np.unique(reference.label)
        if len(self.known) > 1:
            self.trees.fit(reference.z.astype(np.float32), reference.label)

    def forward(self, z: Tensor) -> Tensor:
        """Return logits (n_cells, n_labels) float64 of z (n_cells, n_genes)."""
        probability = np.zeros((len(z), self.n_labels))
        probability[:, self.known] = (
            self.trees.predict_proba(z.cpu().numpy()) if len(self.known) > 1 else 1.0
        )
        return torch.from_numpy(np.log(np.maximum(probability, LEAST))).to(z.device)
