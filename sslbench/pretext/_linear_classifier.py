"""A fitted logistic regression as the one linear layer that a model folder carries."""

from __future__ import annotations

import torch
from torch import nn

from sslbench.probe import Probe


def write_probe(classifier: nn.Linear, probe: Probe) -> None:
    """Fill `classifier`, from z to logits over all labels, with what the probe does, its standardisation included."""
    weight, bias = probe.linear(n_labels=classifier.out_features)
    state = {"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)}
    classifier.load_state_dict(state)
